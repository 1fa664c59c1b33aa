using System.Collections;
using System.Reflection;

namespace ToyVmm.Tests.State;

/// <summary>One value that a machine can change: a field, an element of an array, or a collection as a whole.</summary>
/// <param name="Owner">The class that has it, and its name: what exclusions name.</param>
/// <param name="Path">The way to it from the machine.</param>
/// <param name="Type">What it is declared as.</param>
/// <param name="Get">Reads it.</param>
/// <param name="Set">Replaces it.</param>
internal sealed record FieldLeaf(string Owner, string Path, Type Type, Func<object?> Get, Action<object?> Set)
{
    /// <inheritdoc/>
    public override string ToString() => Path;
}

/// <summary>
/// Finds every changing value in a tree of objects by reflection, so that a field that somebody adds is found without being told of. Walks objects of
/// this product's own types; a field that is read-only is walked into, and counts itself only where what it holds can change (arrays, collections).
/// </summary>
internal sealed class FieldWalker(Func<Type, bool> walksInto, Func<string, bool> isExcluded)
{
    private const BindingFlags Instance = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private readonly HashSet<object> _seen = new(ReferenceEqualityComparer.Instance);
    private readonly List<FieldLeaf> _leaves = [];

    /// <summary>The values below an object.</summary>
    public static IReadOnlyList<FieldLeaf> Find(object root, Func<Type, bool> walksInto, Func<string, bool> isExcluded)
    {
        FieldWalker walker = new(walksInto, isExcluded);
        walker.Walk(root, root.GetType().Name);
        return walker._leaves;
    }

    /// <summary>Other values of a leaf, to be tried in turn.</summary>
    public static IEnumerable<object?> OthersThan(object? value, Type type)
    {
        Type plain = Nullable.GetUnderlyingType(type) ?? type;
        if (type != plain && value is not null)
        {
            yield return null;
        }

        value ??= plain == typeof(byte[]) ? null : plain.IsValueType ? Activator.CreateInstance(plain) : null;
        switch (value)
        {
            case bool truth:
                yield return !truth;
                break;
            case Enum or byte or ushort or int or uint or long or ulong:
                long number = value is ulong large ? (long)large : Convert.ToInt64(value is Enum ? Convert.ChangeType(value, Enum.GetUnderlyingType(plain)) : value);
                foreach (long other in (long[])[number + 1, number - 1, number ^ 2, number ^ 0x10, 1, 2, 0x80, 0])
                {
                    object? candidate = Number(plain, other);
                    if (candidate is not null && other != number)
                    {
                        yield return candidate;
                    }
                }

                break;
            case null when plain == typeof(byte[]):
            case byte[]:
                yield return new byte[] { 0x5A, 0xA5, 0x0F };
                yield return null;
                break;
            default:
                break;
        }
    }

    /// <summary>True where two values have the same content.</summary>
    public static bool AreEqual(object? left, object? right) => (left, right) switch
    {
        (null, null) => true,
        (string a, string b) => a == b,
        (KeyValuePair<long, byte[]> a, KeyValuePair<long, byte[]> b) => a.Key == b.Key && AreEqual(a.Value, b.Value),
        (IEnumerable a, IEnumerable b) => a.Cast<object?>().Zip(b.Cast<object?>(), AreEqual).All(same => same) && a.Cast<object?>().Count() == b.Cast<object?>().Count(),
        _ => Equals(left, right),
    };

    private static object? Number(Type type, long value)
    {
        Type raw = type.IsEnum ? Enum.GetUnderlyingType(type) : type;
        try
        {
            object number = raw == typeof(ulong) ? (ulong)value : Convert.ChangeType(value, raw, System.Globalization.CultureInfo.InvariantCulture);
            return type.IsEnum ? Enum.ToObject(type, number) : number;
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    private static bool IsPlain(Type type) => type.IsPrimitive || type.IsEnum || Nullable.GetUnderlyingType(type) is { } inner && IsPlain(inner);

    private void Walk(object owner, string path)
    {
        if (!_seen.Add(owner))
        {
            return;
        }

        for (Type? type = owner.GetType(); type is not null && type != typeof(object); type = type.BaseType)
        {
            foreach (FieldInfo field in type.GetFields(Instance))
            {
                Field(field, type.Name, path, () => owner, _ => { }, owner);
            }
        }
    }

    // A field of an object, or of a structure in one: then storing it means storing the structure.
    private void Field(FieldInfo field, string owner, string path, Func<object> container, Action<object> store, object present)
    {
        string name = $"{owner}.{Clean(field.Name)}";
        string at = $"{path}.{Clean(field.Name)}";
        Type type = field.FieldType;
        if (isExcluded(name) || typeof(Delegate).IsAssignableFrom(type) || type.IsPointer || type == typeof(nint) || type == typeof(string))
        {
            return;
        }

        object? value = field.GetValue(present);
        void Set(object? replaced)
        {
            object box = container();
            field.SetValue(box, replaced);
            store(box);
        }

        bool isParameter = field.Name.StartsWith('<') && field.Name.EndsWith(">P", StringComparison.Ordinal);
        bool changes = !field.IsInitOnly && !isParameter;
        if (IsPlain(type) || (type == typeof(byte[]) && changes))
        {
            if (changes)
            {
                _leaves.Add(new FieldLeaf(name, at, type, () => field.GetValue(container()), Set));
            }
        }

        if (value is Array array && !(changes && type == typeof(byte[])))
        {
            Elements(array, name, at);
        }
        else if (value is IEnumerable collection and not (string or Array))
        {
            Collection(collection, name, at);
        }
        else if (value is not null && type.IsValueType && !IsPlain(type))
        {
            foreach (FieldInfo inner in type.GetFields(Instance))
            {
                if (changes)
                {
                    Field(inner, type.Name, at, () => field.GetValue(container())!, Set, value);
                }
            }
        }
        else if (value is not null && walksInto(value.GetType()))
        {
            Walk(value, at);
        }
    }

    private void Elements(Array array, string name, string path)
    {
        Type element = array.GetType().GetElementType()!;
        int[] places = array.Length == 0 ? [] : [.. new[] { 0, array.Length / 2, array.Length - 1 }.Distinct()];
        for (int index = 0; index < array.Length; index++)
        {
            int place = index;
            if (IsPlain(element) && places.Contains(index))
            {
                _leaves.Add(new FieldLeaf(name, $"{path}[{index}]", element, () => array.GetValue(place), value => array.SetValue(value, place)));
            }
            else if (!element.IsPrimitive && array.GetValue(index) is { } item && walksInto(item.GetType()))
            {
                Walk(item, $"{path}[{index}]");
            }
        }
    }

    private void Collection(IEnumerable collection, string name, string path)
    {
        Type type = collection.GetType();
        Type[] arguments = type.GetGenericArguments();
        int n = 0;
        foreach (object? item in collection)
        {
            object? value = arguments.Length == 2 ? item.GetType().GetProperty("Value")!.GetValue(item) : item;
            if (value is not null && walksInto(value.GetType()))
            {
                Walk(value, $"{path}[{n}]");
            }

            n++;
        }

        // Replaced as a whole, by one with an element more.
        if (arguments.All(argument => argument.IsValueType || argument == typeof(byte[]) || argument.Name == "KeyInput") && type.GetMethod("Clear", []) is not null)
        {
            _leaves.Add(new FieldLeaf(name, path, type, () => collection.Cast<object?>().ToArray(), value => Refill(collection, value)));
        }
    }

    private static void Refill(IEnumerable collection, object? content)
    {
        MethodInfo add = collection.GetType().GetMethod("Enqueue") ?? collection.GetType().GetMethod("Add")!;
        _ = collection.GetType().GetMethod("Clear", [])!.Invoke(collection, []);
        foreach (object? item in content as object?[] ?? [])
        {
            bool isPair = add.GetParameters().Length == 2;
            object?[] arguments = isPair ? [item!.GetType().GetProperty("Key")!.GetValue(item), item.GetType().GetProperty("Value")!.GetValue(item)] : [item];
            _ = add.Invoke(collection, arguments);
        }
    }

    private static string Clean(string name) => name.StartsWith('<') ? name[1..name.IndexOf('>', StringComparison.Ordinal)] : name;
}

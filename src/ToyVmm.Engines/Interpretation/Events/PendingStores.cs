using ToyVmm.Engines.Probing;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// Several stores of one instruction or event (an interrupt's frame, a far call's return address, SGDT): all are checked
/// before the first one is done, so that a fault leaves memory as it was.
/// </summary>
/// <param name="cpu">The interpreter whose stores these are.</param>
internal sealed unsafe class PendingStores(Interpreter cpu)
{
    // The longest frame: a call gate with 31 parameters and the old SS, ESP, CS, EIP.
    private const int Capacity = 40;

    private readonly Store[] _stores = new Store[Capacity];
    private int _count;

    /// <summary>Forgets what was checked and not committed.</summary>
    public void Clear() => _count = 0;

    /// <summary>Checks a store for its page and alignment, and keeps it.</summary>
    /// <param name="linear">The linear address.</param>
    /// <param name="size">1, 2 or 4 bytes.</param>
    /// <param name="value">The value.</param>
    /// <param name="user">True for user rights.</param>
    /// <returns>False with a fault pending.</returns>
    public bool Add(uint linear, int size, uint value, bool user)
    {
        byte* direct = cpu.DirectStore(linear, size, user);
        if (direct == null && !cpu.CheckWrite(linear, size, user))
        {
            return false;
        }

        _stores[_count++] = new Store(linear, value, size, user, (nint)direct);
        return true;
    }

    /// <summary>Performs the stores, in order. Cannot fault.</summary>
    /// <returns>False when one of them was for a device: the engine must leave behind the instruction.</returns>
    public bool Commit()
    {
        bool goOn = true;
        for (int n = 0; n < _count; n++)
        {
            ref readonly Store store = ref _stores[n];
            bool isDirect = store.Direct != 0;
            byte* target = isDirect ? (byte*)store.Direct : cpu.BeginWrite(store.Linear, store.Size, store.User);
            if (target == null)
            {
                // The check has filled the TLB, and its entry outlives whatever the earlier stores did to the page tables.
                cpu.ClearFault();
                continue;
            }

            switch (store.Size)
            {
                case 4:
                    *(uint*)target = store.Value;
                    break;
                case 2:
                    *(ushort*)target = (ushort)store.Value;
                    break;
                default:
                    *target = (byte)store.Value;
                    break;
            }

            goOn &= isDirect || cpu.CommitWrite(target);
            cpu.Tell(new MicroStep(MicroStepKind.Stored, store.Linear, store.Value, store.Size));
        }

        _count = 0;
        return goOn;
    }

    private readonly record struct Store(uint Linear, uint Value, int Size, bool User, nint Direct);
}

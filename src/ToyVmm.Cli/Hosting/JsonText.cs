using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace ToyVmm.Cli.Hosting;

/// <summary>The JSON documents of the command line.</summary>
internal static class JsonText
{
    /// <summary>Writes a document and a line end.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="document">The document.</param>
    /// <param name="type">Its serializer, made at compile time.</param>
    /// <exception cref="IOException">The stream does not take it.</exception>
    public static void Write<T>(Stream stream, T document, JsonTypeInfo<T> type)
    {
        stream.Write(JsonSerializer.SerializeToUtf8Bytes(document, type));
        stream.Write("\n"u8);
    }
}

using System.Globalization;
using System.Text;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Debugging.Gdb;

/// <content>Memory, at linear addresses.</content>
public sealed partial class GdbProtocol
{
    private const int LongestRead = (PacketSize / 2) - 16;
    private const int LongestPattern = PacketSize;
    private const int Chunk = 0x10000;

    // An answer that is shorter than what was asked for is one, as long as it is not empty.
    private GdbReply ReadMemory(string text, bool binary)
    {
        if (!TryParseRange(text, out uint address, out ulong length))
        {
            return GdbReply.Invalid;
        }

        byte[] bytes = new byte[(int)Math.Min(length, LongestRead)];
        int read = ReadGuest(address, bytes);
        if (read == 0 && length > 0)
        {
            return GdbReply.NoMemory;
        }

        return binary ? new GdbReply((byte[])[(byte)'b', .. bytes.AsSpan(0, read)]) : GdbReply.Of(GdbText.Hex(bytes.AsSpan(0, read)));
    }

    private GdbReply WriteMemory(string text, bool binary)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0 || !TryParseRange(text.AsSpan(0, colon), out uint address, out ulong length))
        {
            return GdbReply.Invalid;
        }

        byte[] bytes = Encoding.Latin1.GetBytes(text[(colon + 1)..]);
        if ((!binary && !GdbText.TryParseBytes(text.AsSpan(colon + 1), out bytes)) || (ulong)bytes.Length != length)
        {
            return GdbReply.Invalid;
        }

        // All or nothing.
        return !IsWritable(address, (uint)length) ? GdbReply.NoMemory
            : _session.Memory.WriteLinear(address, bytes) == bytes.Length ? GdbReply.Ok
            : GdbReply.NoMemory;
    }

    private bool IsWritable(uint address, uint length)
    {
        for (ulong at = address; at < (ulong)address + length; at = (at | (GuestPhysicalAddress.PageSize - 1)) + 1)
        {
            if (_session.Machine.Vcpu.Mmu.Peek((uint)at) is not { } physical || _session.Machine.Machine.Memory.KindAt(physical) != PageKind.Ram)
            {
                return false;
            }
        }

        return true;
    }

    // gdb's own CRC: polynomial 0x04C11DB7, highest bit first, from all ones, not inverted.
    private GdbReply Checksum(string text)
    {
        if (!TryParseRange(text, out uint address, out ulong length))
        {
            return GdbReply.Invalid;
        }

        uint crc = uint.MaxValue;
        byte[] bytes = new byte[Chunk];
        for (ulong done = 0; done < length;)
        {
            int wanted = (int)Math.Min(Chunk, length - done);
            if (ReadGuest(address + (uint)done, bytes.AsSpan(0, wanted)) != wanted)
            {
                return GdbReply.NoMemory;
            }

            foreach (byte value in bytes.AsSpan(0, wanted))
            {
                crc ^= (uint)value << 24;
                for (int bit = 0; bit < 8; bit++)
                {
                    crc = (crc << 1) ^ ((crc & 0x8000_0000) != 0 ? 0x04C1_1DB7u : 0);
                }
            }

            done += (ulong)wanted;
        }

        return GdbReply.Of(string.Create(CultureInfo.InvariantCulture, $"C{crc:x}"));
    }

    // Pages that cannot be looked at hold nothing that could be found.
    private GdbReply Search(string text)
    {
        string[] parts = text.Split(';', 3);
        if (parts.Length != 3 || parts[2].Length is 0 or > LongestPattern || !TryParseRange($"{parts[0]},{parts[1]}", out uint address, out ulong length))
        {
            return GdbReply.Invalid;
        }

        byte[] pattern = Encoding.Latin1.GetBytes(parts[2]);
        byte[] bytes = new byte[Chunk + pattern.Length];
        for (ulong done = 0; done + (ulong)pattern.Length <= length;)
        {
            int wanted = (int)Math.Min((ulong)bytes.Length, length - done);
            uint start = address + (uint)done;
            int read = ReadGuest(start, bytes.AsSpan(0, wanted));
            int found = bytes.AsSpan(0, read).IndexOf(pattern);
            if (found >= 0)
            {
                return GdbReply.Of(string.Create(CultureInfo.InvariantCulture, $"1,{start + (uint)found:x}"));
            }

            // Behind a hole, the next page; otherwise so that a match across the border is seen.
            ulong next = read < wanted ? ((((ulong)start + (uint)read) | (GuestPhysicalAddress.PageSize - 1)) + 1 - address) : done + Chunk;
            done = Math.Max(next, done + 1);
        }

        return GdbReply.Of("0");
    }

    private int ReadGuest(uint address, Span<byte> bytes) => _session.Memory.ReadLinear(address, bytes);

    // ADDRESS,LENGTH, within 4 GiB.
    private static bool TryParseRange(ReadOnlySpan<char> text, out uint address, out ulong length)
    {
        length = 0;
        address = 0;
        int comma = text.IndexOf(',');
        return comma >= 0 && GdbText.TryParseAddress(text[..comma], out address) && GdbText.TryParse(text[(comma + 1)..], out length) && length <= (1UL << 32) - address;
    }
}

using System.Globalization;
using System.Text;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Gdb;

/// <content>Queries, and what the client may set.</content>
public sealed partial class GdbProtocol
{
    private readonly GdbMonitor _monitor;
    private (string Name, byte[] Bytes) _document = ("", []);

    private GdbReply Query(string text)
    {
        // The name ends at a colon, a comma or a semicolon.
        int end = text.AsSpan().IndexOfAny(':', ',', ';');
        string rest = end < 0 ? "" : text[(end + 1)..];
        return (end < 0 ? text : text[..end]) switch
        {
            "qSupported" => Supported(rest),
            "qXfer" => Transfer(rest),
            "qC" => GdbReply.Of("QC1"),
            "qAttached" => GdbReply.Of("1"),
            "qfThreadInfo" => GdbReply.Of("m1"),
            "qsThreadInfo" => GdbReply.Of("l"),
            "qThreadExtraInfo" => IsThread(rest) ? GdbReply.Of(GdbText.Hex(DescribeCpu())) : GdbReply.Invalid,
            "qSymbol" => GdbReply.Ok,
            "qCRC" => Checksum(rest),
            "qSearch" => rest.StartsWith("memory:", StringComparison.Ordinal) ? Search(rest["memory:".Length..]) : GdbReply.Unsupported,
            "qRcmd" => Command(rest),
            _ => GdbReply.Unsupported,
        };
    }

    private GdbReply Set(string text)
    {
        if (text != "QStartNoAckMode")
        {
            return GdbReply.Unsupported;
        }

        IsWithoutAcknowledgements = true;
        return GdbReply.Ok;
    }

    private GdbReply Supported(string features)
    {
        string[] all = features.Split(';');
        _saysSoftware = all.Contains("swbreak+");
        _saysHardware = all.Contains("hwbreak+");
        return GdbReply.Of(string.Create(CultureInfo.InvariantCulture,
            $"PacketSize={PacketSize:x};QStartNoAckMode+;qXfer:features:read+;qXfer:memory-map:read+;qXfer:threads:read+;vContSupported+;swbreak+;hwbreak+;binary-upload+;error-message+{(GoesBack ? ";ReverseStep+;ReverseContinue+" : "")}"));
    }

    // OBJECT:read:ANNEX:OFFSET,LENGTH
    private GdbReply Transfer(string text)
    {
        string[] parts = text.Split(':');
        if (parts.Length != 4)
        {
            return GdbReply.Invalid;
        }

        Func<string>? document = (parts[0], parts[2]) switch
        {
            ("features", "target.xml") => () => TargetDescription.Registers(_session.Machine),
            ("memory-map", "") => () => TargetDescription.MemoryMap(_session.Machine),
            ("threads", "") => () => $"<?xml version=\"1.0\"?>\n<threads>\n<thread id=\"1\" core=\"0\" name=\"CPU\">{DescribeCpu()}</thread>\n</threads>\n",
            _ => null,
        };
        if (document is null)
        {
            return parts[0] is "features" or "memory-map" or "threads" ? GdbReply.Error(0) : GdbReply.Unsupported;
        }

        string[] numbers = parts[3].Split(',');
        if (parts[1] != "read" || numbers.Length != 2 || !GdbText.TryParseAddress(numbers[0], out uint offset) || !GdbText.TryParseAddress(numbers[1], out uint length))
        {
            return GdbReply.Invalid;
        }

        // What is read in several pieces does not change between them.
        if (offset == 0 || _document.Name != parts[0])
        {
            _document = (parts[0], Encoding.ASCII.GetBytes(document()));
        }

        byte[] bytes = _document.Bytes;
        if (offset > bytes.Length)
        {
            return GdbReply.Invalid;
        }

        int count = (int)Math.Min(Math.Min(length, PacketSize / 2), (uint)(bytes.Length - (int)offset));
        return new GdbReply((byte[])[(byte)(offset + count == bytes.Length ? 'l' : 'm'), .. bytes.AsSpan((int)offset, count)]);
    }

    internal string DescribeCpu()
    {
        ref CpuState cpu = ref _session.Cpu;
        string mode = (cpu.Cr0 & Cr0.PE) == 0 ? "real mode"
            : (cpu.OtherFlags & Eflags.VM) != 0 ? "virtual-8086 mode"
            : string.Create(CultureInfo.InvariantCulture, $"protected mode, ring {cpu.Cpl}");
        return mode + ((cpu.Cr0 & Cr0.PG) != 0 ? ", paging" : "") + (cpu.Halted != 0 ? ", halted" : "");
    }

    // The answer goes in pieces that fit into packets; gdb shows them as they come.
    private GdbReply Command(string digits)
    {
        if (!GdbText.TryParseBytes(digits, out byte[] bytes))
        {
            return GdbReply.Invalid;
        }

        string text = _monitor.Execute(Encoding.UTF8.GetString(bytes));
        if (text.Length > 0)
        {
            Console?.Invoke(text + "\n");
        }

        return GdbReply.Ok;
    }
}

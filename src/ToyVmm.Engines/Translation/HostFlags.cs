using Iced.Intel;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// Which instructions leave flags or results that the manuals call undefined (SDM 1 appendix A) otherwise on this host than the interpreter does,
/// which follows AMD's processors. A guest could see on which engine such an instruction ran, so they are the interpreter's there.
/// Found out by trying: each form with a few hundred operands, on the host and in an interpreter.
/// </summary>
internal static unsafe class HostFlags
{
    private const int Cases = 300;

    // Each form has the same bytes in 32-bit and 64-bit code: EAX, EBX and CL, or parts of them.
    private static readonly (Mnemonic Mnemonic, string[] Forms)[] s_probed =
    [
        (Mnemonic.Mul, ["F6E3", "66F7E3", "F7E3"]),
        (Mnemonic.Imul, ["F6EB", "66F7EB", "F7EB", "660FAFC3", "0FAFC3", "6BC311", "69C307A1F3FF", "666BC3F7"]),
        (Mnemonic.Div, ["F6F3", "66F7F3", "F7F3"]),
        (Mnemonic.Idiv, ["F6FB", "66F7FB", "F7FB"]),
        (Mnemonic.Rol, ["D2C0", "66D3C0", "D3C0", "C1C00D"]),
        (Mnemonic.Ror, ["D2C8", "66D3C8", "D3C8", "C1C80D"]),
        (Mnemonic.Rcl, ["D2D0", "66D3D0", "D3D0", "C1D00D"]),
        (Mnemonic.Rcr, ["D2D8", "66D3D8", "D3D8", "C1D80D"]),
        (Mnemonic.Shl, ["D2E0", "66D3E0", "D3E0", "C1E00D"]),
        (Mnemonic.Shr, ["D2E8", "66D3E8", "D3E8", "C1E80D"]),
        (Mnemonic.Sar, ["D2F8", "66D3F8", "D3F8", "C1F80D"]),
        (Mnemonic.Shld, ["0FA5D8", "0FA4D80D"]),
        (Mnemonic.Shrd, ["0FADD8", "0FACD80D"]),
        (Mnemonic.Bsf, ["660FBCC3", "0FBCC3"]),
        (Mnemonic.Bsr, ["660FBDC3", "0FBDC3"]),
        (Mnemonic.Bt, ["660FA3D8", "0FA3D8", "0FBAE00D"]),
        (Mnemonic.Bts, ["660FABD8", "0FABD8", "0FBAE80D"]),
        (Mnemonic.Btr, ["660FB3D8", "0FB3D8", "0FBAF00D"]),
        (Mnemonic.Btc, ["660FBBD8", "0FBBD8", "0FBAF80D"]),
        (Mnemonic.And, ["20D8", "6621D8", "21D8"]),
        (Mnemonic.Or, ["08D8", "6609D8", "09D8"]),
        (Mnemonic.Xor, ["30D8", "6631D8", "31D8"]),
        (Mnemonic.Test, ["84D8", "6685D8", "85D8"]),
    ];

    private static readonly Lazy<IReadOnlySet<Mnemonic>> s_differing = new(() => Probe(Cases));

    /// <summary>Those of this host; tried once a process.</summary>
    public static IReadOnlySet<Mnemonic> Differing => s_differing.Value;

    /// <summary>Tries all of them.</summary>
    /// <param name="cases">How many operands for each form.</param>
    /// <returns>Those that differ; all, where the host does not let itself be tried.</returns>
    public static IReadOnlySet<Mnemonic> Probe(int cases)
    {
        HashSet<Mnemonic> differing = [];
        using Reference reference = new();
        foreach ((Mnemonic mnemonic, string[] forms) in s_probed)
        {
            if (Array.Exists(forms, form => Differs(mnemonic, Convert.FromHexString(form), reference, cases)))
            {
                _ = differing.Add(mnemonic);
            }
        }

        if (differing.Contains(Mnemonic.Shl))
        {
            _ = differing.Add(Mnemonic.Sal);
        }

        return differing;
    }

    private static bool Differs(Mnemonic mnemonic, byte[] form, Reference reference, int cases)
    {
        using ExecutablePage? page = ExecutablePage.TryCreate(Stub(form));
        if (page is null)
        {
            return true;
        }

        reference.Load(form);
        Random random = new(cases);
        for (int n = 0; n < cases; n++)
        {
            Registers operands = new()
            {
                Eax = (uint)random.NextInt64(),
                Ecx = (uint)random.Next(256),
                Edx = (uint)random.NextInt64(),
                Ebx = (uint)random.NextInt64() >> random.Next(32),
                Flags = ((ulong)random.NextInt64() & Eflags.Arithmetic) | Eflags.Fixed | Eflags.IF,
            };
            if (mnemonic is Mnemonic.Div or Mnemonic.Idiv)
            {
                // No #DE: a small dividend, and no divisor of 0.
                (operands.Eax, operands.Edx, operands.Ebx) = (operands.Eax & 0x7F, 0, operands.Ebx | 1);
            }
            else if (n % 16 == 0)
            {
                operands.Ebx = 0;
            }

            Registers host = operands;
            ((delegate* unmanaged<Registers*, void>)page.Address)(&host);
            host.Flags = (host.Flags & Eflags.Arithmetic) | Eflags.Fixed | Eflags.IF;
            if (host != reference.Execute(operands))
            {
                return true;
            }
        }

        return false;
    }

    // void stub(Registers*), System V: RDI.
    private static byte[] Stub(byte[] form)
    {
        Assembler a = new(64);
        a.push(rbx);
        a.mov(eax, __dword_ptr[rdi]);
        a.mov(ecx, __dword_ptr[rdi + 4]);
        a.mov(edx, __dword_ptr[rdi + 8]);
        a.mov(ebx, __dword_ptr[rdi + 12]);
        a.push(__qword_ptr[rdi + 16]);
        a.popfq();
        a.db(form);
        a.pushfq();
        a.pop(__qword_ptr[rdi + 16]);
        a.mov(__dword_ptr[rdi], eax);
        a.mov(__dword_ptr[rdi + 4], ecx);
        a.mov(__dword_ptr[rdi + 8], edx);
        a.mov(__dword_ptr[rdi + 12], ebx);
        a.pop(rbx);
        a.ret();
        using MemoryStream bytes = new();
        _ = a.Assemble(new StreamCodeWriter(bytes), 0);
        return bytes.ToArray();
    }

    // The stub knows where each is.
    private record struct Registers(uint Eax, uint Ecx, uint Edx, uint Ebx, ulong Flags);

    // An interpreter in flat protected mode.
    private sealed class Reference : IDisposable
    {
        private const uint Origin = 0x1000;
        private const uint MemorySize = 1 << 16;

        private readonly GuestMemory _memory = new(MemorySize);
        private readonly Vcpu _vcpu;
        private readonly Interpreter _interpreter;

        public Reference()
        {
            _vcpu = new Vcpu(_memory);
            _interpreter = new Interpreter(_vcpu, portable: true);
            CpuState* s = _vcpu.State;
            s->Cr0 |= Cr0.PE;
            s->Cs.LoadDescriptor(0x08, 0x0000FFFF, 0x00CF9B00);
            s->Ds.LoadDescriptor(0x10, 0x0000FFFF, 0x00CF9300);
            s->Ss.LoadDescriptor(0x10, 0x0000FFFF, 0x00CF9300);
            _vcpu.NotifyStateChanged();
        }

        public void Load(byte[] form) => _ = _memory.TryWrite(new GuestPhysicalAddress(Origin), form);

        public Registers Execute(in Registers operands)
        {
            CpuState* s = _vcpu.State;
            (s->Eax, s->Ecx, s->Edx, s->Ebx) = (operands.Eax, operands.Ecx, operands.Edx, operands.Ebx);
            LazyFlags.Set(s, (uint)operands.Flags);
            s->Eip = Origin;
            _ = _interpreter.Run(1);
            return new Registers(s->Eax, s->Ecx, s->Edx, s->Ebx, LazyFlags.Get(s) | Eflags.Fixed | Eflags.IF);
        }

        public void Dispose()
        {
            _interpreter.Dispose();
            _vcpu.Dispose();
            _memory.Dispose();
        }
    }
}

using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>Instructions that need more than a prefix to run on the host: each leaves the same state as the interpreter, or the same fault.</summary>
public sealed unsafe class TranslatedInstructionTests
{
    // One by one, all at once; at odd addresses; and such that what lies at small offsets is reached around the end of the addresses.
    private static readonly SegmentBases[] s_bases =
    [
        new(0x3000, 0, 0, 0),
        new(0, 0x3000, 0, 0),
        new(0, 0, 0x3000, 0),
        new(0, 0, 0, 0x3000),
        new(0x1777, 0x0123, 0x2041, 0x0FFF),
        new(0xFFFF_C001, 0xFFFE_0003, 0xFFFF_F000, 0xFFFF_E800),
        new(0x8, 0x10, 0x10, 0x8),
    ];

    [TranslatorTheory]
    [InlineData("add fs:[0x9000], bh", "64003D00900000")]
    [InlineData("mov ah, gs:[ecx]", "658A21")]
    [InlineData("mov dh, [esp+4]", "8A742404")]
    [InlineData("add [esp+4], ch", "006C2404")]
    [InlineData("xor bh, [esp]", "323C24")]
    [InlineData("cmp [esp], ah", "382424")]
    [InlineData("movzx esp, ah", "0FB6E4")]
    [InlineData("xchg ah, [esp]", "862424")]
    [InlineData("rep inc ax", "F36640")]
    [InlineData("repne dec ebp", "F24D")]
    [InlineData("mov cs:[0x9000], al: #GP", "2EA200900000")]
    [InlineData("cmp cs:[0x9000], al", "2E380500900000")]
    [InlineData("push esp", "54")]
    [InlineData("pop esp", "5C")]
    [InlineData("push dword [esp+8]", "FF742408")]
    [InlineData("pop dword [esp+8]", "8F442408")]
    [InlineData("leave", "C9")]
    [InlineData("inc esp", "44")]
    [InlineData("xchg esp, eax", "94")]
    [InlineData("bswap esp", "0FCC")]
    [InlineData("lea esp, [esp+ecx*4-8]", "8D648CF8")]
    [InlineData("mov eax, [0x9000]", "A100900000")]
    [InlineData("mov [0x9000], al", "A200900000")]
    [InlineData("bts [0x9000], ecx, a bit far away", "0FAB0D00900000")]
    [InlineData("div ecx", "F7F1")]
    [InlineData("div of nothing: #DE", "31C9F7F1")]
    [InlineData("jecxz to the next", "E300")]
    [InlineData("loop to the next", "E200")]
    [InlineData("call, pop", "E80000000058")]
    [InlineData("cld, lodsd", "FCAD")]
    [InlineData("rdtsc", "0F31")]
    [InlineData("fld1, fstp", "D9E8DD1D00900000")]
    [InlineData("a load beyond memory", "8B0DFCFFFF0F")]
    [InlineData("a load across the end of the addresses", "8B0DFEFFFFFF")]
    [InlineData("loope to the next", "E100")]
    [InlineData("cmp eax, eax; loope over an inc", "39C0E10140")]
    [InlineData("cmp eax, eax; loopne over an inc", "39C0E00140")]
    [InlineData("mov cl, 1; loopne that ends over an inc", "B901000000E00140")]
    [InlineData("cmp eax, eax; rep loopne over an inc", "39C0F3E00140")]
    [InlineData("cmp eax, eax; repne loope over an inc", "39C0F2E10140")]
    [InlineData("jcxz over an inc", "67E30140")]
    [InlineData("xor cx, cx; jcxz over an inc", "6631C967E30140")]
    [InlineData("into without overflow", "31C0CE")]
    [InlineData("into with overflow: #OF", "B80000008048CE")]
    [InlineData("pushfd", "9C")]
    [InlineData("std, stc, pushfd, pop eax", "FDF99C58")]
    [InlineData("sti, pushfd, cli, pushfd", "FB9CFA9C")]
    [InlineData("sti, nop, popfd without IF", "FB6802000000909D9C")]
    [InlineData("pushfd to an odd address across a page", "BC021000009C9C")]
    [InlineData("popfd: every arithmetic flag", "68D70800009D9C")]
    [InlineData("popfd: none", "6A029D9C")]
    [InlineData("popfd: DF", "68020400009D9C")]
    [InlineData("popfd: IF", "68020200009D9C9090")]
    [InlineData("popfd: IOPL and NT", "68027000009D9C")]
    [InlineData("popfd: AC, ID", "68020024009D9C")]
    [InlineData("popfd: TF, into the trap", "68020100009D9090")]
    [InlineData("popfd: reserved bits, VM and RF", "682A8003009D9C")]
    [InlineData("popfd after std", "FD6A029DAC")]
    [InlineData("pushfw, popfw", "669C669D")]
    [InlineData("sti, hlt", "FBF4")]
    [InlineData("sti, mov ss, nop", "FB8ED0909090")]
    [InlineData("sti twice", "FBFB90")]
    [InlineData("cli, sti, cli", "FAFBFA")]
    [InlineData("mov eax, cr0", "0F20C0")]
    [InlineData("mov ecx, cr2", "0F20D1")]
    [InlineData("mov esp, cr3", "0F20DC")]
    [InlineData("mov edi, cr4", "0F20E7")]
    [InlineData("mov eax, cr1: #UD", "0F20C8")]
    [InlineData("mov eax, ds", "8CD8")]
    [InlineData("mov cx, cs", "668CC9")]
    [InlineData("mov esp, ss", "8CD4")]
    [InlineData("mov [esp+4], fs", "8C642404")]
    [InlineData("mov gs:[ecx], es", "658C01")]
    [InlineData("push cs, push ss, push ds, push es, push fs, push gs", "0E161E060FA00FA8")]
    [InlineData("movsb, movsw, movsd", "A466A5A5")]
    [InlineData("std, movsb, movsw, movsd", "FDA466A5A5")]
    [InlineData("stosb, stosw, stosd", "AA66ABAB")]
    [InlineData("lodsb, lodsw, lodsd", "AC66ADAD")]
    [InlineData("fs lodsd, gs lodsb", "64AD65AC")]
    [InlineData("fs movsd, ss movsb, es movsb, cs movsb", "64A536A426A42EA4")]
    [InlineData("scasb, scasw, scasd", "AE66AFAF")]
    [InlineData("cmpsb, cmpsw, cmpsd", "A666A7A7")]
    [InlineData("rep movsd", "B945000000F3A5")]
    [InlineData("rep movsb, overlapping", "8D7E01B900020000F3A4")]
    [InlineData("std, rep movsw", "FDB900020000F366A5")]
    [InlineData("gs rep movsd", "B945000000F365A5")]
    [InlineData("rep stosb", "B945030000F3AA")]
    [InlineData("repne stosd", "B945030000F2AB")]
    [InlineData("rep stosd of nothing", "31C9F3AB")]
    [InlineData("rep movsd of nothing from nowhere", "31C9BEFCFFFFFFF3A5")]
    [InlineData("rep lodsd", "B945000000F3AD")]
    [InlineData("rep movsb, 128 Ki elements", "B900000200BF00000600BE00000400F3A4")]
    [InlineData("rep stosd beyond memory", "B920000000BFC0FF0F00F3AB")]
    [InlineData("rep stosd around the end of the addresses", "B920000000BFC0FFFFFFF3AB")]
    [InlineData("rep movsd from around the end of the addresses", "B908000000BEF2FFFFFFF3A5")]
    [InlineData("std, rep movsd around address 0", "FDB920000000BE10000000F3A5")]
    [InlineData("movsd across the end of the addresses", "BFFEFFFFFFA5")]
    [InlineData("repe cmpsb", "B945000000F3A6")]
    [InlineData("repe cmpsd, equal", "89F7B945000000F3A7")]
    [InlineData("repne cmpsb", "B945000000F2A6")]
    [InlineData("repe cmpsb, equal, beyond memory", "B920000000BEF0FF0F0089F7F3A6")]
    [InlineData("repne scasb", "B945000000B077F2AE")]
    [InlineData("repne scasb, beyond memory", "B920000000BFF0FF0F00B0EEF2AE")]
    [InlineData("repe scasd of nothing", "31C0F8F931C9F9F3AF")]
    [InlineData("rep stosd over the code behind it", "B902000000BF0F000200B890909090F3AB4141414141")]
    [InlineData("fldcw, single precision, down", "C7050090000007F47F04D92D0090000090D93D04900000")]
    [InlineData("fldcw, all bits", "66C70500900000FFFFD92D00900000D93D04900000")]
    [InlineData("fldcw, truncating, fld, fistp", "66C705009000007F0CD9EBD92D00900000DB1D04900000")]
    [InlineData("fldcw that unmasks", "66C705009000007E0CD9EBD92D00900000DB1D04900000")]
    [InlineData("stc, fs fldcw", "F966C705009000007F0364D92D00900000D93D04900000")]
    [InlineData("push bx, push sp", "66536654")]
    [InlineData("push word 0x1234, push word -2", "66683412666AFE")]
    [InlineData("pop si, pop sp", "665E665C")]
    [InlineData("push word [esp+2]", "66FF742402")]
    [InlineData("pop word [esp+2]", "668F442402")]
    [InlineData("pop dword fs:[ecx]", "648F01")]
    [InlineData("pop dword [esp+ecx*2-0x12000]", "8F844C0000FEFF")]
    [InlineData("pushad, popad", "609031C061")]
    [InlineData("pushad across the end of memory", "BC1000100060")]
    [InlineData("pushad across the end of the addresses", "BC0F00000060")]
    [InlineData("popad across the end of memory", "BCF0FF0F0061")]
    [InlineData("popad across the end of the addresses", "BCF0FFFFFF61")]
    [InlineData("enter 0x20, 0", "C8200000")]
    [InlineData("enter 0x20, 3", "C8200003")]
    [InlineData("enter 0xfff0, 0 beyond memory", "C8F0FF00")]
    [InlineData("xlatb", "BB00900000D7")]
    [InlineData("fs xlatb", "BB0090000064D7")]
    [InlineData("xlatb, 16-bit", "67D7")]
    [InlineData("mov eax, [bx+si+0x10]", "678B4010")]
    [InlineData("add [bp-4], cl", "67004EFC")]
    [InlineData("mov ax, fs:[di]", "6667648B05")]
    [InlineData("lea ecx, [bp+di-1]", "678D4BFF")]
    [InlineData("lea cx, [si]", "66678D0C")]
    [InlineData("mov ah, [si]", "678A24")]
    [InlineData("bts [si], eax", "670FAB04")]
    [InlineData("push dword [si], pop dword [di]", "67FF34678F05")]
    [InlineData("fld dword [si], 16-bit", "67D904")]
    [InlineData("mov [si], ds", "678C1C")]
    [InlineData("add byte [esp], 5, by opcode 82", "82042405")]
    [InlineData("nop [missing]", "0F1F0500000080")]
    [InlineData("prefetcht0 [esp]", "0F180C24")]
    [InlineData("movnti [0x9000], esp", "0FC32500900000")]
    [InlineData("popcnt eax, [esp]", "F30FB80424")]
    [InlineData("popcnt ax, bx", "66F30FB8C3")]
    [InlineData("crc32 eax, bl", "F20F38F0C3")]
    [InlineData("pshufb mm0, [0x9000]; movq [0x9100], mm0", "0F6F05109000000F380005089000000F7F0500910000")]
    [InlineData("pabsw xmm0, [0x9000]; movups [0x9100], xmm0", "660F381D05009000000F110500910000")]
    [InlineData("haddps xmm1, xmm1", "0F280D00900000F20F7CC90F290D00910000")]
    [InlineData("dpps xmm1, xmm1, 0xF1", "0F280D00900000660F3A40C9F10F290D00910000")]
    [InlineData("roundpd xmm1, xmm1, 1", "0F280D00900000660F3A09C9010F290D00910000")]
    [InlineData("pcmpistri xmm1, [0x9000], 0x0C", "0F280D00900000660F3A630D009000000C")]
    [InlineData("fld1, wait", "D9E89B")]
    [InlineData("push word [ecx]", "66FF31")]
    public void An_instruction_does_what_the_interpreter_does(string name, string code)
    {
        byte[] bytes = [0x90, .. Convert.FromHexString(code), 0xF4];
        string interpreted = Execute(bytes, translates: false);
        Assert.Equal((name, interpreted), (name, Execute(bytes, translates: true)));
    }

    [TranslatorTheory]
    [MemberData(nameof(FaultInjectionTests.Templates), MemberType = typeof(FaultInjectionTests))]
    public void In_segments_with_bases_it_does_so_too(string name, string code)
    {
        byte[] bytes = [0x90, .. Convert.FromHexString(code), 0xF4];
        foreach (SegmentBases bases in s_bases)
        {
            string interpreted = Execute(bytes, translates: false, bases);
            Assert.Equal((name, bases, interpreted), (name, bases, Execute(bytes, translates: true, bases)));
        }
    }

    private static string Execute(byte[] code, bool translates, SegmentBases bases = default)
    {
        using TestCpu cpu = new(translates: translates) { Bases = bases };
        string end = TemplateRun.Execute(cpu, code);
        Assert.True(!translates || cpu.Vcpu.Translation!.HostInstructions > 0);
        return end;
    }
}

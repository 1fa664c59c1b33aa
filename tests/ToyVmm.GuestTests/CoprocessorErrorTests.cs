using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.GuestTests;

/// <summary>An x87 error the way of the AT: CR0.NE clear, FERR# to IRQ 13, port F0, IGNNE#.</summary>
public sealed class CoprocessorErrorTests
{
    [Theory]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void An_unmasked_error_arrives_as_IRQ_13_and_port_F0_lets_the_handler_go_on(EngineKind engine)
    {
        // The handler's address is an immediate of the code before it: the second pass knows it from the first.
        (_, ushort handler) = Assemble(0x7D00);
        (byte[] code, _) = Assemble(handler);
        using VirtualMachine vm = VirtualMachine.Create(
            code,
            new VirtualMachineOptions { Engine = engine, Load = new LoadOptions { Format = ImageFormat.Raw } });
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 10_000 });
        Assert.Equal((StopKind.DebugExit, 0x2Au), (stop.Kind, stop.Code));
    }

    // Real mode at 0:7C00. IRQ 13 comes as vector 0x75; the handler acknowledges, clears the exceptions and ends the run.
    private static (byte[] Code, ushort Handler) Assemble(ushort handlerAddress)
    {
        Assembler a = new(16);
        Label handler = a.CreateLabel();
        a.xor(ax, ax);
        a.mov(ds, ax);
        a.mov(ss, ax);
        a.mov(sp, 0x7000);
        a.mov(__word_ptr[0x75 * 4], handlerAddress);
        a.mov(__word_ptr[(0x75 * 4) + 2], 0);
        (byte Port, byte Value)[] initialization =
            [(0x20, 0x11), (0x21, 0x08), (0x21, 0x04), (0x21, 0x01), (0x21, 0xFB), (0xA0, 0x11), (0xA1, 0x70), (0xA1, 0x02), (0xA1, 0x01), (0xA1, 0xDF)];
        foreach ((byte port, byte value) in initialization)
        {
            a.mov(al, value);
            a.@out(port, al);
        }

        a.sti();
        a.fninit();
        a.mov(__word_ptr[0x600], 0x037B);   // the zero-divide exception is not masked
        a.fldcw(__word_ptr[0x600]);
        a.fld1();
        a.fldz();
        a.fdivp(st1, st0);                  // the error becomes pending
        a.wait();                           // and is reported here
        a.hlt();                            // not reached: the handler ends the run
        a.Label(ref handler);
        a.@out(0xF0, al);
        a.fnclex();
        a.mov(al, 0x2A);
        a.@out(0xF4, al);
        a.hlt();

        using MemoryStream code = new();
        AssemblerResult result = a.Assemble(new StreamCodeWriter(code), 0x7C00, BlockEncoderOptions.ReturnNewInstructionOffsets);
        return (code.ToArray(), (ushort)result.GetLabelRIP(handler));
    }
}

using System.Buffers.Binary;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Memory;
using ToyVmm.Tests.Fuzz;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.State;

/// <summary>
/// Damaged states: each is refused with its reason, or makes a machine that runs - whatever its guest, its timers and its ports then do, nothing throws.
/// </summary>
public sealed class SavedStateFuzzTests(ITestOutputHelper output)
{
    private const int RunsUntilNewMachine = 50;

    // On the interpreter the host's memory is safe by bounds; on the translator by the views: both must hold.
    [TranslatorTheory]
    [InlineData(EngineKind.Interpreter, 2_000)]
    [InlineData(EngineKind.Translator, 600)]
    public void A_damaged_state_is_refused_or_runs(EngineKind engine, int standardCases)
    {
        ulong first = FuzzSettings.FirstSeed();
        int cases = FuzzSettings.Cases(standardCases);
        byte[][] states = States(engine);
        int refused = 0;
        MachineFixture machine = new(engine);
        for (int n = 0; n < cases; n++)
        {
            if (n % RunsUntilNewMachine == RunsUntilNewMachine - 1)
            {
                machine.Dispose();
                machine = new MachineFixture(engine);
            }

            Random random = new((int)(first + (ulong)n));
            byte[] damaged = Damage(states[random.Next(states.Length)], random);
            try
            {
                machine.Vm.RestoreState(damaged);
                Stir(machine.Vm, random);
            }
            catch (InvalidStateException)
            {
                refused++;
                machine.Dispose();
                machine = new MachineFixture(engine);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed 0x{first + (ulong)n:X}", e);
            }
        }

        machine.Dispose();
        output.WriteLine($"seed 0x{first:X}: {cases} damaged states, {refused} refused");
        Assert.InRange(refused, cases / 20, cases - (cases / 20));
    }

    // A machine that stands still, one in its BIOS, and one in the middle of programming its chips.
    private static byte[][] States(EngineKind engine)
    {
        using MachineFixture machine = new(engine);
        List<byte[]> states = [machine.Vm.SaveState()];
        _ = machine.Vm.Run(new RunLimits { MaxInstructions = 20_000 });
        states.Add(machine.Vm.SaveState());
        Random random = new(1);
        for (int round = 0; round < 6; round++)
        {
            machine.Vm.Input.Enqueue("input"u8);
            machine.Vm.Machine.Keyboard.KeyEvent(Ps2Key.A, true);
            machine.Vm.Machine.MoveMouse(3, -4, 1, MouseButtons.Left);
            Stir(machine.Vm, random);
            states.Add(machine.Vm.SaveState());
        }

        return [.. states];
    }

    private static byte[] Damage(byte[] state, Random random)
    {
        byte[] damaged = [.. state];
        for (int times = random.Next(1, 4); times > 0; times--)
        {
            // Most of a state is display memory; what is small is what matters, and lies at both ends.
            int at = random.Next(4) == 0 ? random.Next(damaged.Length) : random.Next(2) == 0 ? random.Next(Math.Min(2500, damaged.Length)) : damaged.Length - 1 - random.Next(Math.Min(2500, damaged.Length));
            switch (random.Next(6))
            {
                case 0:
                    damaged[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    damaged[at] = (byte)random.Next(256);
                    break;
                case 2 when at + 8 <= damaged.Length:
                    ReadOnlySpan<ulong> extremes = [0, ulong.MaxValue, long.MaxValue, 1ul << 63, 1, 1ul << 32, 1ul << 62, uint.MaxValue];
                    BinaryPrimitives.WriteUInt64LittleEndian(damaged.AsSpan(at), extremes[random.Next(extremes.Length)]);
                    break;
                case 3 when at + 4 <= damaged.Length:
                    ReadOnlySpan<uint> words = [0, uint.MaxValue, int.MaxValue, 1u << 31, 1];
                    BinaryPrimitives.WriteUInt32LittleEndian(damaged.AsSpan(at), words[random.Next(words.Length)]);
                    break;
                case 4 when random.Next(8) == 0:
                    damaged = damaged[..at];
                    times = 1;
                    break;
                default:
                    damaged[at]++;
                    break;
            }
        }

        return damaged;
    }

    // The guest runs, and in between somebody writes to every chip.
    private static void Stir(VirtualMachine vm, Random random)
    {
        Machine machine = vm.Machine;
        RunLimits limits = new() { MaxInstructions = 3_000, Timeout = TimeSpan.FromSeconds(5) };
        for (int round = 0; round < 3; round++)
        {
            _ = vm.Run(limits);
            for (int access = 0; access < 200; access++)
            {
                ReadOnlySpan<ushort> ports =
                    [0x00, 0x08, 0x20, 0x40, 0x60, 0x64, 0x61, 0x70, 0x71, 0x92, 0xA0, 0xC0, 0x170, 0x174, 0x1F0, 0x1F4, 0x3C0, 0x3C8, 0x3CE, 0x3D4, 0x3F8, 0x3FC, 0x2F8, 0x4D0, 0x600, 0x604, 0x608, 0xCF8, 0xCFC];
                ushort port = (ushort)(ports[random.Next(ports.Length)] + random.Next(4));
                int width = 1 << random.Next(3);
                if (random.Next(2) == 0)
                {
                    _ = machine.Ports.Read(port, width);
                }
                else
                {
                    machine.Ports.Write(port, width, (uint)random.NextInt64());
                }

                uint address = random.Next(4) switch { 0 => 0xFEE0_0000, 1 => 0xFEC0_0000, _ => 0xA_0000 + ((uint)random.Next(0x20) << 12) };
                _ = machine.Mmio.Read(new GuestPhysicalAddress(address + (uint)random.Next(64) * 16), 4);
                machine.Mmio.Write(new GuestPhysicalAddress(address + (uint)random.Next(64) * 16), 4, (uint)random.NextInt64());
            }

            _ = machine.Vga.ReadScreen();
            vm.Input.Enqueue("x"u8);
            if (machine.Request.Kind != MachineRequestKind.None)
            {
                _ = machine.TakeRequest();
            }
        }
    }
}

#:project ../../src/ToyVmm.VirtualMachines/ToyVmm.VirtualMachines.csproj
#:property RestorePackagesWithLockFile=false

// A guest in five lines. Run it with: dotnet run docs/lessons/lesson.cs
using ToyVmm.VirtualMachines;

byte[] image = File.ReadAllBytes(args.Length > 0 ? args[0] : "guest-images/hello-multiboot/hello-multiboot.elf");
using VirtualMachine vm = VirtualMachine.Create(image);
StopReason why = vm.Run();
Console.Write(vm.SerialOutput);
Console.WriteLine($"{why.Kind}: {why.Detail}; EAX = {vm.Cpu.Eax:x8}, EIP = {vm.Cpu.Eip:x8}, {vm.InstructionsRetired} instructions");

global using ToyVmm.VirtualMachines.Verification;

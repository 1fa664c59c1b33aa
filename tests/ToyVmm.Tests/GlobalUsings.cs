global using ToyVmm.VirtualMachines.Verification;
global using ToyVmm.VirtualMachines.Verification.Isolation;

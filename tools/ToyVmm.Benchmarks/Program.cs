using BenchmarkDotNet.Running;

BenchmarkSwitcher.FromAssembly(typeof(ToyVmm.Benchmarks.FlatGuest).Assembly).Run(args);

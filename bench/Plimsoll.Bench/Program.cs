using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Plimsoll.Bench;

if (args is ["scale", ..]) return ScaleCommand.Run(args);
if (args is ["turns", ..]) return TurnsCommand.Run(args);

// In this process: a child project would not find the repository's central package versions.
var config = ManualConfig.CreateEmpty()
    .AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(3).WithIterationCount(8)
        .WithIterationTime(Perfolizer.Horology.TimeInterval.FromMilliseconds(250)))
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddColumnProvider(DefaultColumnProviders.Instance)
    .AddExporter(MarkdownExporter.GitHub)
    .AddLogger(ConsoleLogger.Default);
return BenchmarkSwitcher.FromAssembly(typeof(PlannerBenchmark).Assembly).Run(args, config).Any(summary => summary.HasCriticalValidationErrors)
    ? 1 : 0;

using Plimsoll.Footprints;
using Plimsoll.Footprints.Memory;
using Plimsoll.Footprints.Parameters;
using Plimsoll.Footprints.Training;

// parameters [PAGE]: the section on published counts. memory [PAGE]: on measured start-ups. training [PAGE]: on measured
// training runs. refit: the fitted coefficients. page [PAGE]: every section, into docs/benchmarks/footprint.md unless a
// page is named. weigh FILE...: what each configuration weighs, for a look.
const string Page = "docs/benchmarks/footprint.md";
return args switch
{
    ["parameters", ..] => ParametersCommand.Run(args),
    ["memory" or "refit", ..] => MemoryCommand.Run(args),
    ["training", ..] => TrainingCommand.Run(args),
    ["page", ..] => new[]
    {
        ParametersCommand.Run(["parameters", args.ElementAtOrDefault(1) ?? Page]),
        MemoryCommand.Run(["memory", args.ElementAtOrDefault(1) ?? Page]),
        TrainingCommand.Run(["training", args.ElementAtOrDefault(1) ?? Page]),
    }.Max(),
    ["weigh", .. var files] => WeighCommand.Run(files),
    _ => WeighCommand.Usage(),
};

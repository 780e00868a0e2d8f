using System.Globalization;
using Plimsoll.Prediction.Batches;
using Plimsoll.Prediction.Capacity;
using Plimsoll.Prediction.Loads;
using Plimsoll.Prediction.Runs;
using Plimsoll.Prediction.Steps;

// steps [PAGE]: the section on step times, into docs/benchmarks/prediction.md unless a page is named.
// vllm-runs [PAGE]: the simulation of a replica against recorded runs, into the same page.
// capacity [PAGE]: the formula against the simulation over 500 drawn cases, into the same page.
// try-capacity COUNT: so many cases of the seed that the formula was developed with, one a line.
// capacity-times COUNT: what so many of those cases' answers cost and are, without the simulation.
// batches [PAGE]: the formula for models that answer at once, by their profile, against the simulation; try-batches COUNT: of the seed it was made with.
// correction [PAGE]: a predicted capacity corrected by what is seen of simulated replicas; try-correction COUNT: of the seed it was set by.
// priors [PAGE]: what a planner reads of a variant's numbers against the formulas themselves; try-priors COUNT: of the seed they were made with.
// loads [PAGE]: load times, into docs/benchmarks/loads.md; try-loads: on what the rule was chosen by.
// fit: the coefficients again, from the calibration rows. held-out FILE: what fits without them say of them.
const string Page = "docs/benchmarks/prediction.md";
return args switch
{
    ["steps", ..] => StepsCommand.Report(args.ElementAtOrDefault(1) ?? Page),
    ["vllm-runs", ..] => RunsCommand.Report(args.ElementAtOrDefault(1) ?? Page),
    ["capacity", ..] => CapacityCommand.Report(args.ElementAtOrDefault(1) ?? Page),
    ["try-capacity", var count] => CapacityCommand.Try(int.Parse(count, CultureInfo.InvariantCulture)),
    ["capacity-times", var count] => CapacityTimes.Print(CapacityCommand.ReportSeed, int.Parse(count, CultureInfo.InvariantCulture)),
    ["batches", ..] => BatchesCommand.Report(args.ElementAtOrDefault(1) ?? Page),
    ["try-batches", var count] => BatchesCommand.Try(int.Parse(count, CultureInfo.InvariantCulture)),
    ["correction", ..] => CorrectionCommand.Report(args.ElementAtOrDefault(1) ?? Page),
    ["try-correction", var count] => CorrectionCommand.Try(int.Parse(count, CultureInfo.InvariantCulture)),
    ["priors", ..] => PriorsCommand.Report(args.ElementAtOrDefault(1) ?? Page),
    ["try-priors", var count] => PriorsCommand.Try(int.Parse(count, CultureInfo.InvariantCulture)),
    ["loads", ..] => LoadsCommand.Report(args.ElementAtOrDefault(1) ?? "docs/benchmarks/loads.md"),
    ["try-loads", ..] => LoadsCommand.Try(),
    ["fit", ..] => StepsCommand.Fit(),
    ["held-out", var file] => StepsCommand.HeldOutRows(file),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("usage: steps [PAGE] | vllm-runs [PAGE] | capacity [PAGE] | try-capacity COUNT | capacity-times COUNT | batches [PAGE] | try-batches COUNT | correction [PAGE] | try-correction COUNT | priors [PAGE] | try-priors COUNT | loads [PAGE] | try-loads | fit | held-out FILE");
    return 2;
}

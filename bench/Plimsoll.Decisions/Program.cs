using System.Globalization;
using Plimsoll.Cli.Commands;
using Plimsoll.Decisions;

// run FOLDER [--seeds N] [--against NAMES] [--tuned NAMES] [--candidates N] [SCENARIO…]: simulates each scenario, Plimsoll by itself and its
//   rivals, and keeps what came of it in FOLDER; what is there already is not run again, so a run that was ended goes on, and after a change
//   of the planner only NAME.plimsoll.json need be removed.
// curves FOLDER [--seeds N] [--scalers NAMES] [--settings N] [SCENARIO…]: likewise Plimsoll along its dial, each rival over as many of its
//   settings, and the bound, a file each and every run kept by its setting and seed; after a change of the planner only NAME.curve-plimsoll.json
//   need be removed.
// write FOLDER [PAGE]: the tables and curves of what is in FOLDER into docs/benchmarks/decisions.md.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args is ["write", var kept, .. var page])
{
    DecisionPage.Write(kept, page.ElementAtOrDefault(0) ?? "docs/benchmarks/decisions.md");
    return 0;
}

if (args is not [("run" or "curves") and var command, var folder, .. var rest])
{
    Console.Error.WriteLine("Plimsoll.Decisions: expected run FOLDER [--seeds N] [--against NAMES] [--tuned NAMES] [--candidates N] [SCENARIO…], curves FOLDER [--seeds N] [--scalers NAMES] [--settings N] [SCENARIO…], or write FOLDER [PAGE]");
    return 2;
}

var (set, scenarios) = (new Dictionary<string, string>(StringComparer.Ordinal) { ["--seeds"] = "5" }, new List<string>());
foreach (var (option, usual) in command == "run" ? [("--against", "all"), ("--tuned", ""), ("--candidates", "30")] : new (string, string)[] { ("--scalers", "plimsoll,bound,hpa,keda,wva,kpa,ray-serve,dynamo-kalman"), ("--settings", "36") }) set[option] = usual;
for (var i = 0; i < rest.Length; i++)
{
    if (!set.ContainsKey(rest[i])) scenarios.Add(rest[i]);
    else if (i + 1 < rest.Length) set[rest[i]] = rest[++i];
    else
    {
        Console.Error.WriteLine($"Plimsoll.Decisions: {rest[i]} needs a value");
        return 2;
    }
}

if (scenarios.Count == 0) scenarios.AddRange(Directory.GetFiles("examples/scenarios", "*.yaml").Order(StringComparer.Ordinal));
Directory.CreateDirectory(folder);
if (command == "curves")
{
    foreach (var scenario in scenarios)
    {
        var curves = new CurveRun(folder, scenario, int.Parse(set["--seeds"], CultureInfo.InvariantCulture));
        foreach (var scaler in set["--scalers"].Split(',', StringSplitOptions.RemoveEmptyEntries)) curves.Run(scaler, int.Parse(set["--settings"], CultureInfo.InvariantCulture));
    }

    return 0;
}

foreach (var scenario in scenarios)
{
    var name = Path.GetFileNameWithoutExtension(scenario);
    await Simulate(Path.Combine(folder, name + ".plimsoll.json"), "simulate", scenario, "--seeds", set["--seeds"], "--bound", "--json");
    await Simulate(Path.Combine(folder, name + ".json"), "simulate", scenario, "--seeds", set["--seeds"], "--against", set["--against"], "--bound", "--json");
    if (set["--tuned"].Length == 0) continue;
    var tuned = string.Join(',', set["--tuned"].Split(',').Select(one => one + ":tuned"));

    // A trace that has no part before it leaves nothing to tune on, and the other scenarios are still to come.
    await Try(Path.Combine(folder, name + ".tuned.json"), "simulate", scenario, "--seeds", set["--seeds"], "--against", tuned, "--candidates", set["--candidates"], "--bound", "--json");
}

return 0;

static async Task Simulate(string file, params string[] arguments)
{
    if (await Try(file, arguments) is not 0 and var code) throw new InvalidOperationException($"plimsoll {string.Join(' ', arguments)} ended with {code}");
}

static async Task<int> Try(string file, params string[] arguments)
{
    if (File.Exists(file)) return 0;
    var began = TimeProvider.System.GetTimestamp();
    using var output = new StringWriter();
    var code = await CommandLine.RunAsync(arguments, output, Console.Error, TimeProvider.System);
    if (code != 0) return code;
    await File.WriteAllTextAsync(file + ".next", output.ToString());
    File.Move(file + ".next", file);
    Console.WriteLine($"{file} in {TimeProvider.System.GetElapsedTime(began).TotalSeconds:0} s");
    return 0;
}

using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Weighing;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Scenarios;

/// <summary>The options that make a scenario of one model and a trace, and the scenario.</summary>
internal sealed class ComparedTrace
{
    // Where most clusters run; others only where these have no such machine.
    private static readonly string[] Usual = ["aws", "azure", "gcp"];

    private readonly Option<string?> _source = new("--source") { Description = "The model's folder; a config.json will do", HelpName = "PATH" };
    private readonly Option<string?> _device = new("--device") { Description = "What a replica runs on, of plimsoll devices, such as h100-80gb", HelpName = "NAME" };
    private readonly Option<int?> _gpus = FitOptions.Number("--gpus", "Devices of a replica (default 1)", "N", 64);
    private readonly Option<int?> _context = FitOptions.Number("--context", "Tokens of one sequence (default: what it was made for)", "N", 1 << 30);
    private readonly Option<string?> _instance = new("--instance") { Description = "The nodes' machine type, of plimsoll devices --instances (default: the cheapest of aws, azure and gcp with that device)", HelpName = "TYPE" };
    private readonly Option<int?> _nodes = FitOptions.Number("--nodes", "How many nodes (default: as many as maxReplicas need)", "N", 10_000);
    private readonly Option<string?> _slo = new("--slo") { Description = "Such as ttft=2s,tpot=60ms,latency=30s,attainment=99%", HelpName = "TERMS" };
    private readonly Option<TimeSpan?> _length = TrafficOptions.Duration("--length", "How much of the trace (default all)");
    private readonly Option<TimeSpan?> _from = TrafficOptions.Duration("--from", "Where in the trace to begin (default at its beginning)");
    private readonly Option<double?> _scale = TrafficOptions.Positive("--scale", "So many times the trace's rate (default 1)", "N", 1e6);

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_source, _device, _gpus, _context, _instance, _nodes, _slo, _length, _from, _scale]) command.Add(option);
    }

    /// <summary>Whether any of them was given.</summary>
    public string? Given(ParseResult parsed) =>
        ((Option[])[_source, _device, _gpus, _context, _instance, _nodes, _slo, _length, _from, _scale]).FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false })?.Name;

    /// <summary>A scenario of the trace, with the bounds of the autoscaler that it is compared with.</summary>
    /// <exception cref="CommandException">Something is missing or cannot be read.</exception>
    public ScenarioFile Scenario(ParseResult parsed, string trace, OwnAutoscaler own)
    {
        var source = parsed.GetValue(_source) ?? throw new CommandException(ExitCode.BadInput, "--source is missing; the model's folder would do, of which a config.json is enough");
        var device = parsed.GetValue(_device) ?? throw new CommandException(ExitCode.BadInput, "--device is missing; name one of plimsoll devices, such as h100-80gb");
        if (DeviceCatalogue.BuiltIn.Find(device) is not { } accelerator)
            throw new CommandException(ExitCode.BadInput, $"--device is \"{Show.Text(device)}\", which is no device of the catalogue; plimsoll devices lists them");
        var gpus = parsed.GetValue(_gpus) ?? 1;
        var instance = Instance(parsed.GetValue(_instance), accelerator, gpus);
        var nodes = parsed.GetValue(_nodes) ?? (int)Math.Ceiling(own.MaxReplicas / Math.Floor(instance.Devices / (double)gpus));
        var from = parsed.GetValue(_from) ?? TimeSpan.Zero;
        var length = parsed.GetValue(_length) ?? Rest(trace, from);
        var traffic = new JsonObject { ["trace"] = Path.GetFullPath(trace), ["scale"] = parsed.GetValue(_scale) ?? 1 };
        if (from > TimeSpan.Zero) traffic["from"] = Milliseconds(from);
        var model = new JsonObject
        {
            ["name"] = own.Target,
            ["source"] = Path.GetFullPath(source),
            ["minReplicas"] = own.MinReplicas,
            ["maxReplicas"] = own.MaxReplicas,
            ["runs"] = new JsonArray(Run(device, gpus, parsed.GetValue(_context))),
            ["traffic"] = traffic,
        };
        if (parsed.GetValue(_slo) is { } slo) model["slo"] = Slo(slo);
        var scenario = new JsonObject
        {
            ["name"] = "compare",
            ["about"] = string.Create(CultureInfo.InvariantCulture, $"{own.Target} on {nodes} x {instance.Type}, {gpus} x {device} a replica, {own.MinReplicas} to {own.MaxReplicas} replicas"),
            ["length"] = Milliseconds(length),
            ["nodes"] = new JsonArray(new JsonObject { ["name"] = "node", ["instance"] = instance.Type, ["count"] = nodes }),
            ["models"] = new JsonArray(model),
        };
        return ScenarioFile.Parse(scenario.ToJsonString(), "the command line");
    }

    private static JsonObject Run(string device, int gpus, int? context)
    {
        var run = new JsonObject { ["device"] = device, ["gpus"] = gpus };
        if (context is { } tokens) run["context"] = tokens;
        return run;
    }

    // Of those with a price the one whose devices are cheapest, and that has room for a replica.
    private static CloudInstance Instance(string? type, Accelerator device, int gpus)
    {
        if (type is not null)
        {
            var named = DeviceCatalogue.BuiltIn.Instance(type)
                ?? throw new CommandException(ExitCode.BadInput, $"--instance is \"{Show.Text(type)}\", which is no machine of the catalogue; plimsoll devices --instances lists them");
            if (named.Accelerator != device.Name) throw new CommandException(ExitCode.BadInput, $"--instance {named.Type} has {named.Accelerator}, not {device.Name}");
            return named.Devices >= gpus ? named : throw new CommandException(ExitCode.BadInput, $"--instance {named.Type} has {named.Devices} devices, and a replica takes {gpus}");
        }

        return DeviceCatalogue.BuiltIn.Instances.Where(one => one.Accelerator == device.Name && one.Devices >= gpus && one is { Price: not null, Memory.Value: > 0 } && one.Cores > Cores.Zero)
            .OrderByDescending(one => Usual.Contains(one.Provider)).ThenBy(one => one.Price!.Value.Dollars / one.Devices).ThenBy(one => one.Type, StringComparer.Ordinal).FirstOrDefault()
            ?? throw new CommandException(ExitCode.BadInput, $"no machine of the catalogue has {gpus} {device.Name} and a price; --instance would name one");
    }

    private static TimeSpan Rest(string trace, TimeSpan from)
    {
        try
        {
            var length = ScenarioTraffic.LengthOf(trace) - from.TotalSeconds;
            return length >= 1 ? TimeSpan.FromSeconds(Math.Floor(length)) : throw new CommandException(ExitCode.BadInput, $"{Show.Text(trace, 200)} has nothing after {Durations.Show(from)}; an earlier --from would do");
        }
        catch (TraceException unreadable)
        {
            throw new CommandException(ExitCode.BadInput, Show.Text(unreadable.Message, 400));
        }
    }

    // Names and values are checked where scenarios are.
    private static JsonObject Slo(string text)
    {
        var slo = new JsonObject();
        foreach (var term in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = term.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1) throw new CommandException(ExitCode.BadInput, $"--slo has '{Show.Text(term, 60)}'; terms such as ttft=2s,tpot=60ms,attainment=99% would do");
            slo[term[..equals]] = term[(equals + 1)..];
        }

        return slo;
    }

    private static string Milliseconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0}ms");
}

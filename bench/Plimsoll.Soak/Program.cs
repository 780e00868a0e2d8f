using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Plimsoll;
using Plimsoll.Cli.Demo;
using Plimsoll.Soak;

// Runs `plimsoll demo` and watches its replicas from outside. Arguments: PROGRAM [MINUTES [SEED]].
if (args is not [var program, ..] || args.Length > 3
    || !double.TryParse(args.ElementAtOrDefault(1) ?? "10", NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var minutes) || minutes is <= 0 or > 60
    || !ulong.TryParse(args.ElementAtOrDefault(2) ?? "1", NumberStyles.None, CultureInfo.InvariantCulture, out var seed))
{
    Console.Error.WriteLine("bench/soak/run: expected [MINUTES [SEED]], minutes above 0 and at most 60, the seed a whole number");
    return 2;
}

var start = new ProcessStartInfo(program,
    ["demo", "--json", "--minutes", minutes.ToString(CultureInfo.InvariantCulture), "--seed", seed.ToString(CultureInfo.InvariantCulture)])
{
    RedirectStandardOutput = true,
};
using var demo = Process.Start(start)!;
// Ctrl-C reaches the demo as well, which ends its replicas; we end after it.
Console.CancelKeyPress += (_, pressed) => pressed.Cancel = true;
await using var memory = new OutsideMemory(DemoFolders.Open().Fleet, TimeProvider.System);
var printed = await demo.StandardOutput.ReadToEndAsync();
await demo.WaitForExitAsync();
if (demo.ExitCode is not (0 or 1) || printed.Length == 0)
{
    Console.Error.WriteLine($"bench/soak/run: the demo ended with code {demo.ExitCode} and no verdict; its lines above say why");
    return 1;
}

var report = JsonSerializer.Deserialize(printed, DemoJson.Default.DemoReport)!;
var verdict = new SoakVerdict(new Bytes(report.BudgetBytes), memory.Read(),
[
    .. report.Models.Select(model => new SoakedModel(
        model.Model, model.Load.Due, model.Load.Succeeded, model.ColdStarts, model.Releases, model.Crashes)),
]);
Console.WriteLine();
foreach (var line in verdict.Lines()) Console.WriteLine(line);
Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"The controller's own samples: {report.MemorySamples}, the largest {new Bytes(report.LargestBytes)}. {report.Seconds:0} s, seed {seed}."));
return verdict.IsGood && report.IsBudgetHeld ? 0 : 1;

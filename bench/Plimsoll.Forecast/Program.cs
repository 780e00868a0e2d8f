using System.Globalization;
using Plimsoll.Forecast;

// planner [PAGE]: the planner's compact form on the series of hours, into docs/benchmarks/forecast-planner.md.
// page [PAGE]: evaluates all series and times updates, into docs/benchmarks/forecast.md unless a page is named.
// days [PAGE]: the planner's form on the series of days, into docs/benchmarks/forecast-days.md.
// tune: the tuning series, cell by cell. more: more to tune by. held-back: the others. speed: updates a second and bytes.
var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") is { Length: > 0 } named ? named : "../shared/data";
var command = args.ElementAtOrDefault(0) ?? "page";
if (command == "speed")
{
    Console.WriteLine(Speed.Measure());
    return 0;
}

if (Traces.Read(data) is not { } series) return Environment.GetEnvironmentVariable("CI") == "true" ? 1 : 0;
if (command == "planner")
{
    File.WriteAllText(args.ElementAtOrDefault(1) ?? "docs/benchmarks/forecast-planner.md", PlannerForm.Page(series, ForecastPage.Machine()));
    return 0;
}

if (command == "days")
{
    File.WriteAllText(args.ElementAtOrDefault(1) ?? "docs/benchmarks/forecast-days.md", DaysForm.Page(series, [.. MoreTuning.Read(data)], ForecastPage.Machine()));
    return 0;
}

Cell[] Of(Part part) => [.. series.Where(one => one.Part == part).SelectMany(RollingOrigin.Evaluate)];
if (command == "page")
{
    File.WriteAllText(
        args.ElementAtOrDefault(1) ?? "docs/benchmarks/forecast.md",
        ForecastPage.Of(Of(Part.Tuning), [.. MoreTuning.Read(data).SelectMany(RollingOrigin.Evaluate)], Of(Part.HeldBack), Speed.Measure()));
    return 0;
}

if (command is not ("tune" or "more" or "held-back"))
{
    Console.Error.WriteLine($"no command {command}: page, planner, days, tune, more, held-back or speed");
    return 1;
}

var cells = command == "more" ? [.. MoreTuning.Read(data).SelectMany(RollingOrigin.Evaluate)] : Of(command == "tune" ? Part.Tuning : Part.HeldBack);
foreach (var cell in cells)
{
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{cell.Series.Name,-24} {cell.Window,8} {cell.Quantile,5} {cell.Origins,5} {(cell.Won ? "ok  " : "MISS")} {cell.Ratio:f3} exc {cell.Ours.Exceeded:f3}  {string.Join(" ", cell.Results.Select(result => $"{result.Loss:f4}"))}"));
}

Console.WriteLine(ForecastPage.Summary(cells));
return 0;

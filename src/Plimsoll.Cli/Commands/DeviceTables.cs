using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.Weighing;
using Spectre.Console;

namespace Plimsoll.Cli.Commands;

/// <summary>The catalogue as tables of at most 80 columns.</summary>
internal static class DeviceTables
{
    public static void Accelerators(ImmutableArray<Accelerator> found, TextWriter output)
    {
        var table = New("device", ">memory", ">GB/s", ">bf16", ">fp8", "link", ">GB/s", ">of");
        foreach (var one in found)
        {
            table.AddRow(
                one.SliceOf is null ? one.Name : "  " + one.Name[(one.SliceOf.Length + 1)..],
                one.Memory + (one.MemoryCertainty == Certainty.Exact ? " " : "~"),
                Giga(one.MemoryBandwidth),
                Tera(one, "bfloat16", "float16"),
                Tera(one, "float8"),
                one.Link ?? "",
                one.Link is null ? "" : Giga(one.LinkBandwidth),
                one.Link is null ? "" : one.LinkDomainDevices.ToString(CultureInfo.InvariantCulture));
        }

        Write(table, output);
        foreach (var line in EightyColumns.Hung("memory: what an engine sees, ~ where assumed; bf16 and fp8: dense TFLOP/s; of: devices in a link domain")) output.WriteLine(line);
        if (found is [var single, ..] && found.All(one => one == single || one.SliceOf == single.Name)) foreach (var line in EightyColumns.Hung($"source: {single.Source}")) output.WriteLine(line);
    }

    public static void Instances(ImmutableArray<CloudInstance> found, TextWriter output)
    {
        var table = New("instance", "cloud", ">n", "device", ">$/h", ">$/h each", "price of");
        foreach (var one in found)
        {
            table.AddRow(
                one.Type, one.Provider, one.Devices.ToString(CultureInfo.InvariantCulture), one.Accelerator,
                Dollars(one.Price), Dollars(one.PricePerDevice), one.Date);
        }

        Write(table, output);
    }

    // A name that begins with '>' is a column of numbers.
    private static Table New(params string[] columns)
    {
        var table = new Table().Border(TableBorder.None).Collapse();
        foreach (var column in columns)
        {
            var number = column[0] == '>';
            var shown = new TableColumn(number ? column[1..] : column) { NoWrap = true, Padding = new Padding(0, 0, 1, 0) };
            table.AddColumn(number ? shown.RightAligned() : shown.LeftAligned());
        }

        return table;
    }

    private static void Write(Table table, TextWriter output)
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = Math.Max(200, StatusCommand.Width());
        console.Write(table);
        foreach (var line in text.ToString().TrimEnd('\n').Split('\n')) output.WriteLine(line.TrimEnd());
    }

    private static string Giga(BytesPerSecond bandwidth) =>
        bandwidth.Value == 0 ? "?" : (bandwidth.Value / 1e9).ToString("0.#", CultureInfo.InvariantCulture);

    private static string Tera(Accelerator one, params string[] dtypes) =>
        dtypes.Where(one.FlopsPerSecond.ContainsKey).Select(dtype => (one.FlopsPerSecond[dtype] / 1e12).ToString("0", CultureInfo.InvariantCulture))
            .FirstOrDefault() ?? "-";

    private static string Dollars(UsdPerHour? price) => price is { } known ? known.Dollars.ToString("0.00", CultureInfo.InvariantCulture) : "?";
}

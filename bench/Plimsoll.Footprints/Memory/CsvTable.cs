using System.Globalization;

namespace Plimsoll.Footprints.Memory;

/// <summary>A small CSV file, read whole: the first row names the columns; quotes hold commas.</summary>
internal sealed class CsvTable
{
    private readonly Dictionary<string, int> _columns;

    private CsvTable(string[] header, IReadOnlyList<CsvRow> rows)
    {
        _columns = header.Select((name, at) => (name, at)).ToDictionary(pair => pair.name, pair => pair.at, StringComparer.Ordinal);
        Rows = rows;
    }

    public IReadOnlyList<CsvRow> Rows { get; }

    public static CsvTable Read(string file)
    {
        var lines = File.ReadLines(file).Where(line => line.Length > 0).Select(Split).ToList();
        var rows = new List<CsvRow>();
        var table = new CsvTable(lines[0], rows);
        foreach (var cells in lines.Skip(1)) rows.Add(new CsvRow(table, cells, rows.Count + 2));
        return table;
    }

    public string Cell(string[] cells, string column) =>
        _columns.TryGetValue(column, out var at)
            ? at < cells.Length ? cells[at] : ""
            : throw new InvalidDataException($"the table has no column '{column}'");

    private static string[] Split(string line)
    {
        var cells = new List<string>();
        var (cell, quoted) = (new System.Text.StringBuilder(), false);
        foreach (var c in line)
        {
            if (c == '"') quoted = !quoted;
            else if (c == ',' && !quoted)
            {
                cells.Add(cell.ToString());
                cell.Clear();
            }
            else cell.Append(c);
        }

        cells.Add(cell.ToString());
        return [.. cells];
    }
}

/// <summary>One row, by column name.</summary>
internal sealed record CsvRow(CsvTable Table, string[] Cells, int Line)
{
    public string Text(string column) => Table.Cell(Cells, column);

    public double? Number(string column) =>
        double.TryParse(Text(column), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : null;

    public int Int(string column, int otherwise = 1) => (int)(Number(column) ?? otherwise);
}

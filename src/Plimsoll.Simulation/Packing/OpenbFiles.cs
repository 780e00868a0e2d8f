using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Packing;

/// <summary>Node and pod lists in the format of Alibaba's openb traces (clusterdata, gpu-v2023): CSV with a header; columns in any order, others ignored.</summary>
public static class OpenbFiles
{
    public const int MostNodes = 50_000;

    public const int MostPods = 1_000_000;

    /// <summary>Device models; ours keeps tables for each.</summary>
    public const int MostModels = 64;

    /// <summary>More devices than any node has.</summary>
    public const int MostDevices = 64;

    /// <exception cref="TraceException">A file cannot be read; the message names line, column, what was found and what would do.</exception>
    public static PackingWorkload Read(string nodesPath, string podsPath)
    {
        var nodes = Nodes(nodesPath);
        if (nodes.Select(node => node.Model).Distinct().Count() > MostModels) throw new TraceException(nodesPath, 0, $"more than {MostModels} device models in column model");
        var pods = Pods(podsPath);
        if (!nodes.Any(node => node.Devices > 0)) throw new TraceException(nodesPath, 0, "no node has a device; column gpu needs one above 0");
        if (!pods.Any(pod => pod.Shape.Devices > 0)) throw new TraceException(podsPath, 0, "no pod asks for a device; column num_gpu needs one above 0");
        return new PackingWorkload(nodes, pods);
    }

    private static ImmutableArray<PackingNode> Nodes(string path)
    {
        var rows = new Rows(path, MostNodes, "sn", "cpu_milli", "memory_mib", "gpu", "model");
        return Named(path, rows.Each(row => new PackingNode(
            row.Text("sn"), row.Number("cpu_milli"), row.Number("memory_mib"), row.Number("gpu", MostDevices), row.Text("model"))), node => node.Name);
    }

    private static ImmutableArray<PackingPod> Pods(string path)
    {
        var rows = new Rows(path, MostPods, "name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli");
        var shapes = new Dictionary<PodShape, PodShape>();
        return Named(path, rows.Each(row =>
        {
            var devices = row.Number("num_gpu", MostDevices);
            var milli = devices == 0 ? 0 : row.Number("gpu_milli", PodShape.Milli);
            if (devices > 0 && (milli == 0 || (devices > 1 && milli < PodShape.Milli)))
                throw row.Wrong("gpu_milli", devices > 1 ? "1000 where num_gpu is above 1" : "1 to 1000");
            var shape = new PodShape(row.Number("cpu_milli"), milli, devices, devices == 0 ? "" : row.Optional("gpu_spec"));
            if (!shapes.TryAdd(shape, shape)) shape = shapes[shape];
            return new PackingPod(row.Text("name"), row.Number("memory_mib"), shape);
        }), pod => pod.Name);
    }

    private static ImmutableArray<T> Named<T>(string path, IEnumerable<T> read, Func<T, string> name)
    {
        ImmutableArray<T> all = [.. read.OrderBy(name, StringComparer.Ordinal)];
        for (var i = 1; i < all.Length; i++)
        {
            if (name(all[i]) == name(all[i - 1])) throw new TraceException(path, 0, $"'{name(all[i])}' is there twice; each name may stand once");
        }

        return all;
    }

    private sealed class Rows(string path, int most, params string[] needed)
    {
        private readonly Dictionary<string, int> _columns = new(StringComparer.Ordinal);
        private string[] _cells = [];
        private long _line;

        public IEnumerable<T> Each<T>(Func<Rows, T> read)
        {
            var count = 0;
            foreach (var (number, text) in BoundedLines.Read(path))
            {
                (_line, _cells) = (number, text.Split(','));
                if (_columns.Count == 0)
                {
                    for (var i = 0; i < _cells.Length; i++) _columns.TryAdd(_cells[i].Trim(), i);
                    if (needed.FirstOrDefault(column => !_columns.ContainsKey(column)) is { } missing)
                        throw new TraceException(path, number, $"the header has no column {missing}; it needs {string.Join(", ", needed)}");
                    continue;
                }

                if (text.Length == 0) continue;
                if (++count > most) throw new TraceException(path, number, $"more than {most:N0} rows");
                if (_cells.Length != _columns.Count) throw new TraceException(path, number, $"{_cells.Length} cells, where the header has {_columns.Count}");
                yield return read(this);
            }

            if (count == 0) throw new TraceException(path, 0, "has no rows");
        }

        public string Text(string column) => _cells[_columns[column]];

        public string Optional(string column) => _columns.ContainsKey(column) ? Text(column) : "";

        public int Number(string column, int largest = 1_000_000_000) =>
            int.TryParse(Text(column), NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value <= largest
                ? value : throw Wrong(column, $"a whole number from 0 to {largest}");

        public TraceException Wrong(string column, string would)
        {
            var text = Text(column);
            return new TraceException(path, _line, $"{column} is '{(text.Length > 40 ? text[..40] + "…" : text)}'; {would} would do");
        }
    }
}

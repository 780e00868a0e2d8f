using System.Buffers;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Plimsoll.Kubernetes.Metrics;

public readonly record struct ExpositionLabel(string Name, string Value);

/// <summary>One series' value, as its server wrote it.</summary>
public sealed record ExpositionSample(string Name, ImmutableArray<ExpositionLabel> Labels, double Value)
{
    /// <summary>The label's value; null where the series has no such label.</summary>
    public string? Label(string name)
    {
        foreach (var label in Labels)
        {
            if (label.Name == name) return label.Value;
        }

        return null;
    }
}

/// <summary>How much of a stranger's metrics is read before it is refused.</summary>
public sealed record ExpositionLimits
{
    public static readonly ExpositionLimits Default = new();

    /// <summary>vLLM with four engines writes about half a MiB.</summary>
    public int MaxBytes { get; init; } = 4 << 20;

    public int MaxLineBytes { get; init; } = 64 << 10;

    public int MaxLabels { get; init; } = 64;

    /// <summary>Series of the names asked for; the others cost nothing.</summary>
    public int MaxSamples { get; init; } = 20_000;
}

/// <summary>
/// Reads the Prometheus text format 0.0.4 and OpenMetrics 1.0. Only series whose names are asked for are looked at;
/// a line of theirs that breaks the format refuses the whole text, since a server that writes one wrong line may
/// have written others. Timestamps and exemplars are checked and left.
/// </summary>
public static class Exposition
{
    private static readonly SearchValues<byte> NameBytes = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:"u8);

    private static readonly SearchValues<byte> EndOfRun = SearchValues.Create("\"\\"u8);

    /// <summary>The samples of the names, in the order they stand.</summary>
    /// <param name="text">All of the body.</param>
    /// <param name="names">Names as they stand in the lines: a histogram's are NAME_bucket, NAME_sum, NAME_count.</param>
    /// <param name="limits">Bounds.</param>
    /// <exception cref="MetricsException">The text is too large, cut off or malformed.</exception>
    public static ImmutableArray<ExpositionSample> Read(
        ReadOnlySpan<byte> text, FrozenSet<string> names, ExpositionLimits limits)
    {
        ArgumentNullException.ThrowIfNull(names);
        ArgumentNullException.ThrowIfNull(limits);
        if (text.Length > limits.MaxBytes)
            throw new MetricsException($"the metrics are {text.Length} bytes, more than the {limits.MaxBytes} that are read");
        if (text.IsEmpty) return [];
        if (text[^1] != '\n') throw new MetricsException("the metrics end within a line, so they were cut off");
        var wanted = names.GetAlternateLookup<ReadOnlySpan<char>>();
        var samples = ImmutableArray.CreateBuilder<ExpositionSample>();
        var seen = new HashSet<ExpositionSample>(SameSeries.Instance);
        Span<char> buffer = stackalloc char[200];
        var (number, ended) = (0, false);
        while (!text.IsEmpty)
        {
            var length = text.IndexOf((byte)'\n');
            var line = text[..length];
            text = text[(length + 1)..];
            number++;
            if (length > limits.MaxLineBytes)
                throw new MetricsException($"line {number} is {length} bytes, more than the {limits.MaxLineBytes} that are read");
            if (ended) throw new MetricsException($"line {number} stands after # EOF");
            line = line.TrimEnd("\r"u8).TrimStart(" \t"u8);
            if (line.IsEmpty) continue;
            if (line[0] == '#')
            {
                ended = line.SequenceEqual("# EOF"u8);
                continue;
            }

            var end = line.IndexOfAnyExcept(NameBytes);
            var name = end < 0 ? line : line[..end];
            if (name.Length > buffer.Length) continue;
            Encoding.Latin1.GetChars(name, buffer);
            if (!wanted.TryGetValue(buffer[..name.Length], out var known)) continue;
            if (samples.Count == limits.MaxSamples)
                throw new MetricsException($"the metrics have more than {limits.MaxSamples} series of the names that are read");
            var rest = new Cursor(line[name.Length..], number, known);
            var labels = rest.Labels(limits.MaxLabels);
            var sample = new ExpositionSample(known, labels, rest.Value());
            if (!seen.Add(sample))
                throw new MetricsException($"line {number} gives {known} a second time with the same labels");
            samples.Add(sample);
        }

        return samples.ToImmutable();
    }

    /// <summary>By name and labels, in whatever order these stand.</summary>
    private sealed class SameSeries : IEqualityComparer<ExpositionSample>
    {
        public static readonly SameSeries Instance = new();

        public bool Equals(ExpositionSample? one, ExpositionSample? other)
        {
            if (one is null || other is null || one.Name != other.Name || one.Labels.Length != other.Labels.Length) return false;
            foreach (var label in one.Labels)
            {
                if (other.Label(label.Name) != label.Value) return false;
            }

            return true;
        }

        public int GetHashCode(ExpositionSample sample)
        {
            var hash = sample.Name.GetHashCode(StringComparison.Ordinal);
            foreach (var label in sample.Labels) hash ^= HashCode.Combine(label.Name, label.Value);
            return hash;
        }
    }

    /// <summary>The rest of one line, after its name.</summary>
    private ref struct Cursor(ReadOnlySpan<byte> rest, int line, string name)
    {
        private ReadOnlySpan<byte> _rest = rest;

        public ImmutableArray<ExpositionLabel> Labels(int most)
        {
            SkipBlanks();
            if (_rest.IsEmpty || _rest[0] != '{') return [];
            _rest = _rest[1..];
            var labels = ImmutableArray.CreateBuilder<ExpositionLabel>();
            while (true)
            {
                SkipBlanks();
                if (Take('}')) return labels.ToImmutable();
                var length = _rest.IndexOfAnyExcept(NameBytes);
                if (length <= 0 || char.IsAsciiDigit((char)_rest[0])) throw Broken("a label's name is expected");
                var label = Encoding.ASCII.GetString(_rest[..length]);
                _rest = _rest[length..];
                SkipBlanks();
                if (!Take('=')) throw Broken($"an equals sign is expected after the label {label}");
                SkipBlanks();
                if (!Take('"')) throw Broken($"the value of the label {label} does not start with a quote");
                if (labels.Count == most) throw Broken($"it has more than {most} labels");
                if (Has(labels, label)) throw Broken($"it has the label {label} twice");
                labels.Add(new ExpositionLabel(label, Quoted(label)));
                SkipBlanks();
                if (Take(',') || (!_rest.IsEmpty && _rest[0] == '}')) continue;
                throw Broken($"a comma or a brace is expected after the label {label}");
            }
        }

        /// <summary>The value; what follows it must be a timestamp, an exemplar or nothing.</summary>
        public double Value()
        {
            var value = Number("its value");
            SkipBlanks();
            if (!_rest.IsEmpty && _rest[0] != '#') Number("its timestamp");
            SkipBlanks();
            if (Take('#'))
            {
                SkipBlanks();
                if (_rest.IsEmpty || _rest[0] != '{') throw Broken("an exemplar's labels are expected after #");
                Labels(ExpositionLimits.Default.MaxLabels);
                Number("its exemplar's value");
                SkipBlanks();
                if (!_rest.IsEmpty) Number("its exemplar's timestamp");
                SkipBlanks();
            }

            return _rest.IsEmpty ? value : throw Broken("something follows its end");
        }

        private double Number(string what)
        {
            SkipBlanks();
            var length = _rest.IndexOfAny(" \t"u8);
            var token = length < 0 ? _rest : _rest[..length];
            _rest = _rest[token.Length..];
            var unsigned = token.TrimStart("+-"u8);
            if (token.Length - unsigned.Length <= 1)
            {
                if (Ascii.EqualsIgnoreCase(unsigned, "inf") || Ascii.EqualsIgnoreCase(unsigned, "infinity"))
                    return token[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
                if (Ascii.EqualsIgnoreCase(token, "nan")) return double.NaN;
                const NumberStyles style =
                    NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
                if (!unsigned.IsEmpty && double.TryParse(token, style, CultureInfo.InvariantCulture, out var value)) return value;
            }

            throw Broken($"{what} is no number");
        }

        private string Quoted(string label)
        {
            var plain = _rest.IndexOfAny(EndOfRun);
            if (plain >= 0 && _rest[plain] == '"')
            {
                var value = Encoding.UTF8.GetString(_rest[..plain]);
                _rest = _rest[(plain + 1)..];
                return value;
            }

            var bytes = new ArrayBufferWriter<byte>(64);
            while (true)
            {
                var run = _rest.IndexOfAny(EndOfRun);
                if (run < 0) throw Broken($"the value of the label {label} has no closing quote");
                bytes.Write(_rest[..run]);
                var closes = _rest[run] == '"';
                _rest = _rest[(run + 1)..];
                if (closes) return Encoding.UTF8.GetString(bytes.WrittenSpan);
                if (_rest.IsEmpty) throw Broken($"the value of the label {label} has no closing quote");

                // An escape that the format does not know stands for itself, as OpenMetrics has it.
                var escaped = _rest[0];
                _rest = _rest[1..];
                bytes.Write(escaped switch
                {
                    (byte)'n' => "\n"u8,
                    (byte)'\\' => "\\"u8,
                    (byte)'"' => "\""u8,
                    _ => [(byte)'\\', escaped],
                });
            }
        }

        private static bool Has(ImmutableArray<ExpositionLabel>.Builder labels, string name)
        {
            foreach (var label in labels)
            {
                if (label.Name == name) return true;
            }

            return false;
        }

        private void SkipBlanks() => _rest = _rest.TrimStart(" \t"u8);

        private bool Take(char expected)
        {
            if (_rest.IsEmpty || _rest[0] != expected) return false;
            _rest = _rest[1..];
            return true;
        }

        private readonly MetricsException Broken(string what) =>
            new($"line {line} of {name} cannot be read: {what}");
    }
}

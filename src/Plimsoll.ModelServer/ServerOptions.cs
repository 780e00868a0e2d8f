using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;

namespace Plimsoll.ModelServer;

/// <summary>What the command line asked for.</summary>
/// <param name="ModelPath">The ONNX file.</param>
/// <param name="Name">The model's name in URLs and metrics.</param>
/// <param name="Address">Where to listen.</param>
/// <param name="Port">0 takes a free one.</param>
/// <param name="Cores">Cores given, may be fractional.</param>
/// <param name="LoadBytesPerSecond">Limit on reading the weights; null reads as fast as the disk does.</param>
/// <param name="MaxBatch">Most rows that one run of the model gets.</param>
/// <param name="BatchDelay">Longest wait for more rows.</param>
/// <param name="MaxQueue">Most requests waiting; beyond it they are refused.</param>
/// <param name="MaxBodyBytes">Largest request body.</param>
/// <param name="DrainTimeout">How long SIGTERM waits for what is in flight.</param>
/// <param name="Prepack">Let ONNX Runtime keep a second, packed copy of matrices.</param>
/// <param name="Token">An opaque mark by which whoever started the server knows it again.</param>
internal sealed record ServerOptions(
    string ModelPath, string Name, IPAddress Address, int Port, double Cores, long? LoadBytesPerSecond, int MaxBatch,
    TimeSpan BatchDelay, int MaxQueue, long MaxBodyBytes, TimeSpan DrainTimeout, bool Prepack, string? Token)
{
    public int Threads => Math.Max(1, (int)Math.Ceiling(Cores));
}

/// <summary>The command line: option names are a contract with those who start replicas.</summary>
internal static class CommandLine
{
    private static readonly Option<string> Model = new("--model")
    {
        Description = "Path of the ONNX model",
        Required = true,
    };

    private static readonly Option<string?> Name = new("--name") { Description = "The model's name (default: the file's)" };

    private static readonly Option<int> Port = Bounded("--port", "Port, 0 for a free one", 0, 0, 65535);

    private static readonly Option<IPAddress> Host = new("--host")
    {
        Description = "Address to listen on",
        DefaultValueFactory = _ => IPAddress.Loopback,
        CustomParser = result => IPAddress.TryParse(Only(result) == "localhost" ? "127.0.0.1" : Only(result), out var ip)
            ? ip
            : Fail<IPAddress>(result, "an IP address such as 127.0.0.1"),
    };

    private static readonly Option<double> Cores = new("--cores")
    {
        Description = "Cores given, may be fractional (0.5); threads are this rounded up",
        DefaultValueFactory = _ => 1,
        CustomParser = result =>
            double.TryParse(Only(result), NumberStyles.Float, CultureInfo.InvariantCulture, out var cores)
                && cores is > 0 and <= 1024
                ? cores
                : Fail<double>(result, "a number above 0, at most 1024"),
    };

    private static readonly Option<long?> LoadBandwidth = new("--load-bandwidth")
    {
        Description = "Limit on reading weights: bytes per second, 200MB/s or 1GiB/s",
        CustomParser = result => Quantities.TryBytes(Only(result), out var bytes) && bytes > 0
            ? bytes
            : Fail<long?>(result, "bytes per second such as 200MB/s or 1GiB/s"),
    };

    private static readonly Option<int> MaxBatch = Bounded("--max-batch", "Most rows in one run", 8, 1, 4096);

    private static readonly Option<TimeSpan> BatchDelay = Duration("--batch-delay", "Longest wait for a batch", 2);

    private static readonly Option<int> MaxQueue = Bounded("--max-queue", "Most requests waiting", 256, 1, 1_000_000);

    private static readonly Option<long> MaxBody = new("--max-body")
    {
        Description = "Largest request body, such as 16MiB",
        DefaultValueFactory = _ => 16L << 20,
        CustomParser = result => Quantities.TryBytes(Only(result), out var bytes) && bytes is > 0 and <= 1L << 30
            ? bytes
            : Fail<long>(result, "a size up to 1GiB such as 16MiB"),
    };

    private static readonly Option<TimeSpan> DrainTimeout =
        Duration("--drain-timeout", "How long SIGTERM waits for requests in flight", 30_000);

    private static readonly Option<bool> Prepack = new("--prepack")
    {
        Description = "Keep packed copies of matrices: somewhat faster for short inputs, more memory",
    };

    private static readonly Option<string?> Token = new("--token")
    {
        Description = "A mark shown in GET /v2, by which a controller knows its replica again; not a secret",
    };

    public static RootCommand Command(Func<ServerOptions, CancellationToken, Task<int>> run)
    {
        var command = new RootCommand("Serves one ONNX model over the Open Inference Protocol v2 (REST).")
        {
            Model, Name, Port, Host, Cores, LoadBandwidth, MaxBatch, BatchDelay, MaxQueue, MaxBody, DrainTimeout,
            Prepack, Token,
        };
        command.SetAction((result, cancel) => run(Read(result), cancel));
        return command;
    }

    private static ServerOptions Read(ParseResult result)
    {
        var path = result.GetValue(Model)!;
        return new ServerOptions(
            path, result.GetValue(Name) ?? Path.GetFileNameWithoutExtension(path), result.GetValue(Host)!,
            result.GetValue(Port), result.GetValue(Cores), result.GetValue(LoadBandwidth), result.GetValue(MaxBatch),
            result.GetValue(BatchDelay), result.GetValue(MaxQueue), result.GetValue(MaxBody),
            result.GetValue(DrainTimeout), result.GetValue(Prepack), result.GetValue(Token));
    }

    private static Option<int> Bounded(string name, string description, int value, int min, int max) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => value,
        CustomParser = result =>
            int.TryParse(Only(result), NumberStyles.Integer, CultureInfo.InvariantCulture, out var number)
                && number >= min && number <= max
                ? number
                : Fail<int>(result, $"a whole number from {min} to {max}"),
    };

    private static Option<TimeSpan> Duration(string name, string description, int milliseconds) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => TimeSpan.FromMilliseconds(milliseconds),
        CustomParser = result =>
            Quantities.TryDuration(Only(result), out var duration) && duration <= TimeSpan.FromHours(1)
                ? duration
                : Fail<TimeSpan>(result, "a duration up to 1h such as 2ms or 30s"),
    };

    private static string Only(ArgumentResult result) => result.Tokens.Count == 1 ? result.Tokens[0].Value : "";

    private static T Fail<T>(ArgumentResult result, string wanted)
    {
        var option = (result.Parent as OptionResult)?.Option.Name ?? "the value";
        result.AddError($"{option} was given '{Only(result)}', and it takes {wanted}.");
        return default!;
    }
}

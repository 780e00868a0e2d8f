using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Plimsoll.Artifacts;

namespace Plimsoll.Kubernetes.Tests.NodeCache;

/// <summary>A real HTTP server with a hub's API, of models of random weights; it counts what it sends and can hold it up.</summary>
internal sealed class ModelHub : IAsyncDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private const int Piece = 64 * 1024;

    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, SortedDictionary<string, byte[]>> _models = new(StringComparer.Ordinal);

    private ModelHub(WebApplication app) => _app = app;

    /// <summary>Bytes of weights that were sent, by model, weighing left out.</summary>
    public ConcurrentDictionary<string, long> Sent { get; } = new(StringComparer.Ordinal);

    /// <summary>Of weights no more is sent than this, until it is more.</summary>
    public long SendAtMost { get; set; } = long.MaxValue;

    public string Address => _app.Urls.Single();

    /// <summary>What makes this the hub of an operator or agent in this process.</summary>
    public SourceSettings Sources => new() { Variable = name => name == "HF_ENDPOINT" ? Address : null };

    public static async Task<ModelHub> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var hub = new ModelHub(builder.Build());
        hub._app.Run(hub.AnswerAsync);
        await hub._app.StartAsync(TestContext.Current.CancellationToken);
        return hub;
    }

    /// <summary>Puts a model of so many bytes there; the seed makes another version of it.</summary>
    public IReadOnlyDictionary<string, byte[]> Add(string name, int bytes, int seed = 1)
    {
        var header = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"{{\"weight\":{{\"dtype\":\"U8\",\"shape\":[{bytes}],\"data_offsets\":[0,{bytes}]}}}}"));
        var weights = new byte[8 + header.Length + bytes];
        BitConverter.TryWriteBytes(weights, (long)header.Length);
        header.CopyTo(weights, 8);
        new Random(seed).NextBytes(weights.AsSpan(8 + header.Length));
        return _models[name] = new SortedDictionary<string, byte[]>(StringComparer.Ordinal)
        {
            ["config.json"] = "{\"model_type\":\"test\"}"u8.ToArray(),
            ["model.safetensors"] = weights,
            ["tokenizer.json"] = Encoding.UTF8.GetBytes($"{{\"of\":\"{name}\"}}"),
        };
    }

    public ValueTask DisposeAsync()
    {
        SendAtMost = long.MaxValue;
        return _app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var parts = context.Request.Path.Value!.Trim('/').Split('/');
        if (parts is ["api", "models", "org", var listed, "revision", _] && _models.TryGetValue(listed, out var model))
        {
            var siblings = model.Select(file => string.Create(CultureInfo.InvariantCulture,
                $"{{\"rfilename\":\"{file.Key}\",\"size\":{file.Value.Length},\"blobId\":\"{Sha(file.Value)[..40]}\",\"lfs\":{{\"sha256\":\"{Sha(file.Value)}\",\"size\":{file.Value.Length},\"pointerSize\":135}}}}"));
            await context.Response.WriteAsync($"{{\"id\":\"org/{listed}\",\"sha\":\"{Commit}\",\"siblings\":[{string.Join(',', siblings)}]}}");
        }
        else if (parts is ["org", var name, "resolve", _, var file] && _models.TryGetValue(name, out var files) && files.TryGetValue(file, out var content))
        {
            await SendAsync(context, name, content, file.EndsWith(".safetensors", StringComparison.Ordinal));
        }
        else
        {
            context.Response.StatusCode = 404;
        }
    }

    private async Task SendAsync(HttpContext context, string name, byte[] content, bool weights)
    {
        var (from, to) = (0, content.Length - 1);
        context.Response.Headers.ETag = $"\"{Sha(content)}\"";
        var range = context.Request.Headers.Range.ToString();
        if (range.StartsWith("bytes=", StringComparison.Ordinal))
        {
            var ends = range["bytes=".Length..].Split('-');
            from = int.Parse(ends[0], CultureInfo.InvariantCulture);
            if (ends[1].Length > 0) to = Math.Min(to, int.Parse(ends[1], CultureInfo.InvariantCulture));
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {from}-{to}/{content.Length}";
        }

        context.Response.ContentLength = to - from + 1;
        // Those who weigh ask for a part; who fetches asks for all that is left.
        weights &= !range.Contains('-', StringComparison.Ordinal) || range.EndsWith('-');
        for (var at = from; at <= to;)
        {
            var length = Math.Min(Piece, to - at + 1);
            if (weights)
            {
                while (Sent.GetValueOrDefault(name) + length > SendAtMost) await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, context.RequestAborted);
                Sent.AddOrUpdate(name, length, (_, before) => before + length);
            }

            await context.Response.Body.WriteAsync(content.AsMemory(at, length), context.RequestAborted);
            at += length;
        }
    }

    private static string Sha(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));
}

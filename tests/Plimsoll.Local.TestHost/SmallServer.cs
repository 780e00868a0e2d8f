using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace Plimsoll.Local.TestHost;

/// <summary>
/// Speaks as much HTTP as a readiness probe needs. Options: load=SECONDS until it is ready, hold=MIB of memory held
/// from the start, peak=MIB held while loading only, answer=SECONDS that a request of a model takes, awake=MIB given back while it sleeps.
/// It does one request at a time, its readiness among them; POST /deaf has it listen no more.
/// </summary>
internal static class SmallServer
{
    private static volatile bool _ready;
    private static volatile bool _asleep;

    public static async Task<int> RunAsync(string[] args)
    {
        var port = int.Parse(args[0], CultureInfo.InvariantCulture);
        var options = args.Skip(1).Select(arg => arg.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        double Option(string name) => double.Parse(options.GetValueOrDefault(name, "0"), CultureInfo.InvariantCulture);

        using var listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        Console.WriteLine($"listening on {port}");
        var serving = ServeAsync(listener, TimeSpan.FromSeconds(Option("answer")));
        Allocate((long)(Option("hold") * 1024 * 1024));
        var peak = Allocate((long)(Option("peak") * 1024 * 1024));
        if (Option("load") is > 0 and var seconds)
            await Task.Delay(TimeSpan.FromSeconds(seconds), TimeProvider.System);
        Free(peak);
        _ready = true;
        Console.WriteLine("ready");
        await serving;
        return 0;
    }

    private static async Task ServeAsync(TcpListener listener, TimeSpan answer)
    {
        while (true)
        {
            using var client = await listener.AcceptTcpClientAsync();
            await using var stream = client.GetStream();
            var buffer = new byte[4096];
            var read = await stream.ReadAsync(buffer);
            var line = Encoding.ASCII.GetString(buffer, 0, read).Split('\r')[0];
            if (line.StartsWith("POST /v2/", StringComparison.Ordinal)) await Task.Delay(answer, TimeProvider.System);
            if (line.StartsWith("POST /deaf ", StringComparison.Ordinal))
            {
                listener.Stop();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System);
            }

            var (status, body) = Answer(line);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(
                $"HTTP/1.1 {status}\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}"));
        }
    }

    private static (string Status, string Body) Answer(string line)
    {
        if (line.StartsWith("POST /sleep?level=1 ", StringComparison.Ordinal)) _asleep = true;
        else if (line.StartsWith("POST /wake_up ", StringComparison.Ordinal)) _asleep = false;
        else if (line.StartsWith("GET /metrics ", StringComparison.Ordinal))
            return ("200 OK", "plimsoll_model_load_duration_seconds{model=\"m\",stage=\"read\"} 0.25\n");
        else if (!_ready || _asleep) return ("503 Service Unavailable", "");
        return ("200 OK", "");
    }

    private static unsafe nint Allocate(long bytes)
    {
        if (bytes == 0) return 0;
        var memory = (byte*)NativeMemory.Alloc((nuint)bytes);
        // Only a page that was written to is there.
        for (var at = 0L; at < bytes; at += 4096) memory[at] = 1;
        return (nint)memory;
    }

    private static unsafe void Free(nint memory) => NativeMemory.Free((void*)memory);
}

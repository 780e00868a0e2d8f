using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Plimsoll.Local.Processes;

/// <summary>Ports for replicas, and whose they are.</summary>
internal static class LoopbackPorts
{
    private const int Tries = 64;

    /// <summary>
    /// A port nobody listens on now and none of ours was given. Somebody else may still take it first; the replica
    /// then fails to start and the next plan tries another.
    /// </summary>
    public static int Choose(IReadOnlySet<int> given)
    {
        for (var i = 0; i < Tries; i++)
        {
            using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            var port = ((IPEndPoint)listener.LocalEndPoint!).Port;
            if (!given.Contains(port)) return port;
        }

        throw new IOException("no free port was found on this machine");
    }

    /// <summary>
    /// Whether one of these processes listens on the port. Null when /proc does not say (another user's process, a
    /// network namespace). A replica that lost its port to a stranger must not be taken for ready because the
    /// stranger answers.
    /// </summary>
    public static bool? IsHeldBy(int port, IEnumerable<ProcessIdentity> processes)
    {
        var sockets = Listeners("/proc/self/net/tcp", port).Concat(Listeners("/proc/self/net/tcp6", port)).ToHashSet();
        if (sockets.Count == 0) return null;
        var readable = true;
        foreach (var process in processes)
        {
            try
            {
                var folder = $"/proc/{process.Pid.ToString(CultureInfo.InvariantCulture)}/fd";
                foreach (var descriptor in Directory.EnumerateFileSystemEntries(folder))
                {
                    if (new FileInfo(descriptor).LinkTarget is { } target && sockets.Contains(target)) return true;
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                readable = false;
            }
        }

        return readable ? false : null;
    }

    // "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
    private static IEnumerable<string> Listeners(string table, int port)
    {
        var suffix = ":" + port.ToString("X4", CultureInfo.InvariantCulture);
        if (ProcFile.TryReadBytes(table, 16 * 1024 * 1024) is not { } bytes) yield break;
        using var lines = new StreamReader(new MemoryStream(bytes));
        while (lines.ReadLine() is { } line)
        {
            var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length > 9 && fields[3] == "0A" && fields[1].EndsWith(suffix, StringComparison.Ordinal))
                yield return $"socket:[{fields[9]}]";
        }
    }
}

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>
/// A server as a child process, with the end of what it wrote. It is killed when it is disposed of, and by the kernel
/// when the test host ends in whatever way.
/// </summary>
internal sealed class ServerChild : IAsyncDisposable
{
    private const int LinesKept = 200;
    private const int CharactersKept = 1_000; // of a line
    private const int CharactersQuoted = 240; // of a line: the scheduler quotes whole objects

    private readonly string _name;
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();

    private ServerChild(string name, Process process)
    {
        _name = name;
        _process = process;
        process.OutputDataReceived += Keep;
        process.ErrorDataReceived += Keep;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public bool HasExited => _process.HasExited;

    public int Id => _process.Id;

    public static ServerChild Start(string program, IEnumerable<string> arguments)
    {
        // setpriv becomes the program, so the process we hold is the program's own.
        var start = new ProcessStartInfo("setpriv", ["--pdeathsig", "KILL", program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return new ServerChild(Path.GetFileName(program), LastingThread.Start(start));
    }

    /// <summary>The last lines it wrote, with its name and whether it still runs.</summary>
    public string LogEnd(int lines = 25)
    {
        var state = _process.HasExited ? string.Create(CultureInfo.InvariantCulture, $"exited with {_process.ExitCode}") : "running";
        return $"--- {_name}, {state}; the end of its log:\n{string.Join('\n', _lines.TakeLast(lines).Select(Cut))}\n";

        static string Cut(string line) => line.Length <= CharactersQuoted ? line : $"{line[..CharactersQuoted]}…";
    }

    public bool Wrote(string text) => _lines.Any(line => line.Contains(text, StringComparison.Ordinal));

    /// <summary>Sends a signal by its name: STOP, CONT, TERM.</summary>
    public async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(CancellationToken.None);
    }

    /// <summary>SIGKILL, and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
    }

    private void Keep(object sender, DataReceivedEventArgs written)
    {
        if (written.Data is not { Length: > 0 } line) return;
        _lines.Enqueue(line.Length <= CharactersKept ? line : line[..CharactersKept]);
        while (_lines.Count > LinesKept) _lines.TryDequeue(out _);
    }

    /// <summary>
    /// The kernel sends the parent-death signal when the thread that forked ends, not when its process does, and
    /// threads of the pool end after half a minute of idleness: so all children are forked by one thread that stays.
    /// </summary>
    private static class LastingThread
    {
        private static readonly BlockingCollection<Action> Work = Begin();

        public static Process Start(ProcessStartInfo start)
        {
            var started = new TaskCompletionSource<Process>();
            Work.Add(() =>
            {
                try
                {
                    started.SetResult(Process.Start(start)!);
                }
                catch (Exception e) when (e is System.ComponentModel.Win32Exception or IOException)
                {
                    started.SetException(e);
                }
            });
            return started.Task.GetAwaiter().GetResult();
        }

        private static BlockingCollection<Action> Begin()
        {
            var work = new BlockingCollection<Action>();
            new Thread(() =>
            {
                foreach (var action in work.GetConsumingEnumerable()) action();
            })
            { IsBackground = true, Name = "parent of servers" }.Start();
            return work;
        }
    }
}

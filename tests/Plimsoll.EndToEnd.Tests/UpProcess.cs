using System.Diagnostics;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>The real program, its output gathered as it comes; the model server must be built beside it.</summary>
internal sealed class UpProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Lock _gate = new();
    private readonly List<string> _output = [];
    private readonly List<string> _error = [];

    private UpProcess(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Add(_output, line.Data);
        process.ErrorDataReceived += (_, line) => Add(_error, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public int Pid => _process.Id;

    public string Output => Text(_output);

    public string Error => Text(_error);

    /// <summary>It ended, and what it said before.</summary>
    public string? Ended => _process.HasExited ? $"it ended with {_process.ExitCode}\n{Output}\n{Error}" : null;

    public static UpProcess Start(params string[] arguments) => Start([], arguments);

    /// <param name="environment">Variables beside those of the tests.</param>
    /// <param name="arguments">Command and options.</param>
    public static UpProcess Start((string Name, string Value)[] environment, params string[] arguments) => StartBy([], environment, arguments);

    /// <param name="starter">A program and its arguments that becomes the one under test, such as a shell that execs it.</param>
    /// <param name="environment">Variables beside those of the tests.</param>
    /// <param name="arguments">Command and options.</param>
    public static UpProcess StartBy(string[] starter, (string Name, string Value)[] environment, params string[] arguments)
    {
        var here = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        var program = Path.GetFullPath(Path.Combine(here, "..", "..", "Plimsoll.Cli", Path.GetFileName(here), "Plimsoll.Cli"));
        // Where the suite runs in the background of a script, the shell has it ignore Ctrl-C (and nohup a hang-up), and that is inherited.
        return new UpProcess(Process.Start(
            new ProcessStartInfo("env", ["--default-signal=INT,HUP", .. environment.Select(one => $"{one.Name}={one.Value}"), .. starter, program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!);
    }

    /// <summary>The first line of its output with this in it, once there is one.</summary>
    public Task<string> LineAsync(string part) => LineAsync(_output, part);

    /// <summary>The first line of its error output with this in it, once there is one.</summary>
    public Task<string> ErrorAsync(string part) => LineAsync(_error, part);

    private async Task<string> LineAsync(List<string> lines, string part)
    {
        await Scene.UntilAsync(() => Found(lines, part) is not null || _process.HasExited, () => $"no line '{part}' in\n{Output}\n{Error}");
        return Found(lines, part) ?? throw new InvalidOperationException($"it ended without '{part}':\n{Output}\n{Error}");
    }

    /// <summary>Where requests go, once it says so.</summary>
    public async Task<Uri> GatewayAsync() => new((await LineAsync("requests to ")).Split("requests to ")[1].Split(',')[0]);

    public async Task<int> ExitAsync()
    {
        await Scene.UntilAsync(() => _process.HasExited, () => $"it never ended:\n{Output}\n{Error}");
        await _process.WaitForExitAsync(Scene.Cancel); // until both outputs are read, too
        return _process.ExitCode;
    }

    public void Signal(string signal) => Scene.Kill(Pid, signal);

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }

    private void Add(List<string> lines, string? line)
    {
        if (line is null) return;
        lock (_gate) lines.Add(line);
    }

    private string? Found(List<string> lines, string part)
    {
        lock (_gate) return lines.Find(line => line.Contains(part, StringComparison.Ordinal));
    }

    private string Text(List<string> lines)
    {
        lock (_gate) return string.Concat(lines.Select(line => line + "\n"));
    }
}

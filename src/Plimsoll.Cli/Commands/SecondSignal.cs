using System.Runtime.InteropServices;

namespace Plimsoll.Cli.Commands;

/// <summary>
/// Tells a second INT or TERM from the first, which the command line itself takes to end a command in order: who sends another
/// has waited enough.
/// </summary>
internal sealed class SecondSignal : IDisposable
{
    // A terminal that closes, and whoever passes a signal on to a process that had it already, send the same one twice.
    private static readonly TimeSpan Same = TimeSpan.FromMilliseconds(500);

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly Action _came;
    private readonly PosixSignalRegistration[] _registrations;
    private long? _first;
    private bool _told;
    private bool _ended;

    /// <param name="time">The clock.</param>
    /// <param name="came">Called once, from a thread of the pool; not after the end.</param>
    public SecondSignal(TimeProvider time, Action came)
    {
        (_time, _came) = (time, came);
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Take), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Take)];
    }

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
        lock (_gate) _ended = true;
    }

    private void Take(PosixSignalContext context)
    {
        context.Cancel = true;
        lock (_gate)
        {
            _first ??= _time.GetTimestamp();
            if (_ended || _told || _time.GetElapsedTime(_first.Value) < Same) return;
            _told = true;
            _came();
        }
    }
}

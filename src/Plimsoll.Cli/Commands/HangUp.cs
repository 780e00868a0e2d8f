using System.Runtime.InteropServices;
using Plimsoll.Local.Processes;

namespace Plimsoll.Cli.Commands;

/// <summary>Has HUP (a terminal that was closed, a connection that dropped) end this process as TERM does: in order.</summary>
public static class HangUp
{
    private const int SigTerm = 15;

    /// <summary>
    /// Begins to turn HUP into TERM. Where HUP was ignored when the process began, as nohup has it, the runtime leaves it so.
    /// </summary>
    /// <returns>Ends it; null where HUP is left alone.</returns>
    public static IDisposable? Register() => !OperatingSystem.IsLinux() ? null
        : PosixSignalRegistration.Create(
            PosixSignal.SIGHUP, context => context.Cancel = ProcessIdentity.Of(Environment.ProcessId)?.Signal(SigTerm) == true);
}

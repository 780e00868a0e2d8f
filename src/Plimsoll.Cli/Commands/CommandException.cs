namespace Plimsoll.Cli;

/// <summary>Exit codes; docs/command-line.md lists them.</summary>
public static class ExitCode
{
    public const int Ok = 0;

    /// <summary>What was asked about failed, or is not there.</summary>
    public const int Failed = 1;

    /// <summary>Bad usage, or a file with mistakes.</summary>
    public const int BadInput = 2;

    /// <summary>The planner refuses the fleet: a model can never run here.</summary>
    public const int Refused = 3;

    /// <summary>A replayed plan differs from the recorded one.</summary>
    public const int Differs = 4;

    /// <summary>A port or a state folder is in use.</summary>
    public const int Unavailable = 69;

    /// <summary>A mistake of ours.</summary>
    public const int Internal = 70;

    /// <summary>Ctrl-C or TERM came before it was done.</summary>
    public const int Interrupted = 130;
}

/// <summary>A command cannot go on; the message is for the person who gave it, one line per sentence.</summary>
public sealed class CommandException(int code, string message) : Exception(message)
{
    public int Code { get; } = code;
}

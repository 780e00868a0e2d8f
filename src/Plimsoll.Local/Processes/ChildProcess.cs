using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Plimsoll.Local.Processes;

/// <summary>What a process is started with.</summary>
/// <param name="Command">Program and arguments; the program is looked for on PATH.</param>
/// <param name="Environment">Added to this process's own environment.</param>
/// <param name="Folder">Working directory.</param>
/// <param name="LogFile">Takes both its outputs, appended.</param>
/// <param name="Withheld">Variables of this process's environment that it does not get.</param>
internal sealed record ChildStart(
    ImmutableArray<string> Command, IReadOnlyDictionary<string, string> Environment, string Folder, string LogFile, ImmutableArray<string> Withheld);

/// <summary>How a process ended, in words; null code and signal when nobody could say.</summary>
internal readonly record struct ProcessExit(int? Code, int? Signal)
{
    public static ProcessExit Unknown => default;

    public override string ToString() => (Code, Signal) switch
    {
        ({ } code, _) => $"exited with code {code.ToString(CultureInfo.InvariantCulture)}",
        (_, { } signal) => $"was ended by signal {signal.ToString(CultureInfo.InvariantCulture)} ({NameOf(signal)})",
        _ => "ended, and nobody was there to see how",
    };

    private static string NameOf(int signal) => signal switch
    {
        1 => "hang-up",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        6 => "abort",
        7 => "bus error",
        8 => "arithmetic error",
        9 => "kill; the kernel sends it too, when memory runs out",
        11 => "segmentation fault",
        13 => "broken pipe",
        15 => "terminate",
        24 => "processor time limit",
        25 => "file size limit",
        31 => "forbidden system call",
        _ => "unnamed",
    };
}

/// <summary>
/// Starts processes that outlive us: each leads a session of its own, so that neither the terminal's Ctrl-C nor our
/// death reaches it; its input is empty and its output goes to a file, not to a pipe that would die with us.
/// .NET's Process can do none of these, hence posix_spawn.
/// </summary>
internal static unsafe class ChildProcess
{
    /// <summary>Starts it. Null pid and a sentence when the operating system would not.</summary>
    /// <exception cref="IOException">Not even that could be tried, as where no file descriptor is left.</exception>
    public static (int? Pid, string? Error) Spawn(ChildStart start)
    {
        var attributes = NativeMemory.AllocZeroed(Native.OpaqueSize);
        var actions = NativeMemory.AllocZeroed(Native.OpaqueSize);
        var argv = ToNative(start.Command);
        var envp = ToNative([.. MergedEnvironment(start.Environment, start.Withheld)]);
        try
        {
            Prepare(attributes, actions, start);
            int pid;
            var error = Native.SpawnOnPath(&pid, argv[0], actions, attributes, argv, envp);
            return error == 0 ? (pid, null) : (null, Sentence(error, start));
        }
        finally
        {
            _ = Native.ActionsDestroy(actions);
            _ = Native.AttributesDestroy(attributes);
            NativeMemory.Free(actions);
            NativeMemory.Free(attributes);
            Free(argv);
            Free(envp);
        }
    }

    /// <summary>
    /// How our child ended, and takes it off the kernel's list; null while it runs. Not for adopted ones: they are
    /// children of somebody else.
    /// </summary>
    public static ProcessExit? TryReap(int pid)
    {
        int status;
        var ended = Native.WaitPid(pid, &status, Native.WaitNoHang);
        if (ended == 0) return null;
        if (ended < 0)
            return Marshal.GetLastPInvokeError() == Native.NoChild ? ProcessExit.Unknown : null;
        var signal = status & 0x7f;
        return signal == 0 ? new ProcessExit((status >> 8) & 0xff, null) : new ProcessExit(null, signal);
    }

    /// <summary>Ends one that was started a moment ago and cannot be looked after, with what it has started since.</summary>
    public static void Abandon(int pid)
    {
        // It leads a group of its own, and keeps its number until we reap it.
        _ = Native.Kill(-pid, Native.SigKill);
        int status;
        _ = Native.WaitPid(pid, &status, Native.WaitNoHang);
    }

    private static void Prepare(void* attributes, void* actions, ChildStart start)
    {
        Check(Native.AttributesInit(attributes));
        Check(Native.ActionsInit(actions));
        var set = stackalloc byte[Native.OpaqueSize];
        _ = Native.SigEmptySet(set);
        Check(Native.AttributesSetSigMask(attributes, set));
        // .NET ignores SIGPIPE, and what is ignored stays ignored across exec.
        ReadOnlySpan<int> restored =
            [Native.SigHup, Native.SigInt, Native.SigQuit, Native.SigPipe, Native.SigTerm, Native.SigChld, Native.SigCont];
        foreach (var signal in restored) _ = Native.SigAddSet(set, signal);
        Check(Native.AttributesSetSigDefault(attributes, set));
        Check(Native.AttributesSetFlags(
            attributes, Native.SpawnSetSid | Native.SpawnSetSigMask | Native.SpawnSetSigDef));

        Check(Native.ActionsAddOpen(actions, 0, "/dev/null", Native.OpenReadOnly, 0));
        Check(Native.ActionsAddOpen(actions, 1, start.LogFile, Native.OpenAppend, 0x180)); // 0600
        Check(Native.ActionsAddDup2(actions, 1, 2));
        // .NET opens everything close-on-exec; what a shell or test host handed us may not be.
        foreach (var descriptor in OwnDescriptors())
        {
            if (descriptor > 2) Check(Native.ActionsAddClose(actions, descriptor));
        }

        Check(Native.ActionsAddChangeFolder(actions, start.Folder));
    }

    private static IEnumerable<int> OwnDescriptors()
    {
        foreach (var entry in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            if (int.TryParse(Path.GetFileName(entry), CultureInfo.InvariantCulture, out var descriptor))
                yield return descriptor;
        }
    }

    private static IEnumerable<string> MergedEnvironment(IReadOnlyDictionary<string, string> added, ImmutableArray<string> withheld)
    {
        foreach (DictionaryEntry own in Environment.GetEnvironmentVariables())
        {
            var name = (string)own.Key;
            if (!added.ContainsKey(name) && !withheld.Contains(name)) yield return $"{name}={own.Value}";
        }

        foreach (var (name, value) in added) yield return $"{name}={value}";
    }

    private static string Sentence(int error, ChildStart start)
    {
        var program = start.Command[0];
        return error switch
        {
            Native.NoEntry when !Directory.Exists(start.Folder) =>
                $"the folder {start.Folder} to run '{program}' in does not exist",
            Native.NoEntry when Unrunnable(program, start.Folder) is { } missing => $"the program '{program}' is there, but not {missing}",
            Native.NoEntry => $"the program '{program}' was not found; install it, or give its full path in the command",
            Native.AccessDenied => $"the program '{program}' may not be executed; is it a program, and are its rights set?",
            Native.ExecFormat => $"'{program}' is not a program this machine can run",
            _ => $"'{program}' could not be started: {Marshal.GetPInvokeErrorMessage(error)}",
        };
    }

    // The kernel says "no such file" too where the program is there and what it needs to run is not.
    private static string? Unrunnable(string program, string folder)
    {
        var paths = program.Contains('/', StringComparison.Ordinal)
            ? [Path.Combine(folder, program)]
            : (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Select(one => Path.Combine(one, program));
        if (paths.FirstOrDefault(File.Exists) is not { } path) return null;
        try
        {
            using var file = File.OpenHandle(path);
            Span<byte> head = stackalloc byte[256];
            var text = Encoding.UTF8.GetString(head[..RandomAccess.Read(file, head, 0)]);
            if (!text.StartsWith("#!", StringComparison.Ordinal)) return "what loads it; was it built for another system?";
            var line = text[2..].Split('\n')[0].Trim(' ', '\t');
            // A file with a foreign system's line ends names one that ends in a carriage return.
            return $"'{line.Split(' ', '\t')[0].Replace("\r", "\\r", StringComparison.Ordinal)}', which its first line has run it";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static byte** ToNative(ImmutableArray<string> strings)
    {
        var array = (byte**)NativeMemory.AllocZeroed((nuint)strings.Length + 1, (nuint)sizeof(byte*));
        for (var i = 0; i < strings.Length; i++)
        {
            var bytes = Encoding.UTF8.GetBytes(strings[i].Replace("\0", "", StringComparison.Ordinal));
            array[i] = (byte*)NativeMemory.AllocZeroed((nuint)bytes.Length + 1);
            bytes.CopyTo(new Span<byte>(array[i], bytes.Length));
        }

        return array;
    }

    private static void Free(byte** array)
    {
        for (var i = 0; array[i] is not null; i++) NativeMemory.Free(array[i]);
        NativeMemory.Free(array);
    }

    private static void Check(int error)
    {
        if (error != 0) throw new IOException("spawn: " + Marshal.GetPInvokeErrorMessage(error));
    }
}

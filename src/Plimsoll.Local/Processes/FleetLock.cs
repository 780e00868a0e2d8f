using System.Globalization;

namespace Plimsoll.Local.Processes;

/// <summary>
/// One controller per fleet: an advisory lock on a file, which the kernel gives back when its holder dies, however it
/// dies. Replicas do not inherit it.
/// </summary>
internal sealed class FleetLock : IDisposable
{
    private readonly FileStream _file;

    private FleetLock(FileStream file) => _file = file;

    /// <exception cref="LocalFleetException">Another controller holds it, or the folder cannot be written.</exception>
    public static FleetLock Take(string fleet, string folder)
    {
        var path = Path.Combine(folder, "lock");
        var holder = Path.Combine(folder, "controller.pid");
        try
        {
            Directory.CreateDirectory(folder);
            // FileShare.None is flock(LOCK_EX | LOCK_NB) on Linux.
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 0);
            try
            {
                File.WriteAllText(holder, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
                return new FleetLock(file);
            }
            catch
            {
                // On a full disk. Kept open, it would pass for another controller's below.
                file.Dispose();
                throw;
            }
        }
        catch (IOException) when (File.Exists(path) && IsHeld(path))
        {
            var pid = ProcFile.TryRead(holder)?.Trim();
            throw new LocalFleetException(
                $"another controller{(pid is { Length: > 0 } ? $" (process {pid})" : "")} runs fleet '{fleet}' from {folder}; "
                + "end it first, or give this one a state folder of its own");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(folder, e);
        }
    }

    public static LocalFleetException Unwritable(string folder, Exception e) =>
        new($"the state folder {folder} cannot be written: {e.Message}; free some space, or see to its rights, or name another with --state", e);

    public void Dispose() => _file.Dispose();

    private static bool IsHeld(string path)
    {
        try
        {
            using var probe = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 0);
            return false;
        }
        catch (IOException)
        {
            return true;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }
}

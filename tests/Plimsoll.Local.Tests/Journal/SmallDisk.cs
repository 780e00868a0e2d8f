using System.Diagnostics;

namespace Plimsoll.Local.Tests;

/// <summary>A file system of a few megabytes, to be filled. Needs the right to mount; CI has it.</summary>
internal sealed class SmallDisk : IDisposable
{
    private SmallDisk(string folder) => Folder = folder;

    public string Folder { get; }

    public static SmallDisk Mount(Bytes size)
    {
        var folder = Directory.CreateTempSubdirectory("plimsoll-disk-").FullName;
        if (Run("mount", "-t", "tmpfs", "-o", $"size={size.Value}", "tmpfs", folder) is not null and var why)
        {
            Directory.Delete(folder);
            if (Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail($"no small disk can be mounted: {why}");
            Assert.Skip($"no small disk can be mounted here: {why}");
        }

        return new SmallDisk(folder);
    }

    /// <summary>Takes all space that is left.</summary>
    public static void Fill(string file)
    {
        using var stream = new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
        var page = new byte[4096];
        try
        {
            while (true) stream.Write(page);
        }
        catch (IOException)
        {
            // Full: that is what was asked for.
        }
    }

    public void Dispose()
    {
        var trouble = Run("umount", "-l", Folder);
        if (trouble is null) Directory.Delete(Folder);
    }

    private static string? Run(string command, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true })!;
            var error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : error.Trim();
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            return missing.Message;
        }
    }
}

using System.Collections.Immutable;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Plimsoll.Local.Devices;

/// <summary>A GPU as nvidia-smi tells of it.</summary>
/// <param name="Uuid">The vendor's id, which CUDA_VISIBLE_DEVICES takes too.</param>
/// <param name="Name">The product's name.</param>
/// <param name="Total">All its memory; null when it would not say.</param>
/// <param name="Used">Memory in use by anybody; null when it would not say.</param>
internal sealed record Gpu(string Uuid, string Name, Bytes? Total, Bytes? Used)
{
    /// <summary>
    /// The kind a variant asks for: the catalogue's name ("NVIDIA L4" is "l4-24gb"), or that of the product in small letters
    /// where the catalogue has none ("nvidia-l9").
    /// </summary>
    public string Kind { get; } = DeviceCatalogue.BuiltIn.ByProduct(Name, Total).Accelerator?.Name
        ?? string.Join('-', Name.ToLowerInvariant().Split(' ', StringSplitOptions.RemoveEmptyEntries));
}

/// <summary>Memory of a GPU that one process uses; null when it would not say.</summary>
internal sealed record GpuUse(string Uuid, int Pid, Bytes? Used);

/// <summary>What one look at the GPUs gave.</summary>
/// <param name="Gpus">The devices; those cut into MIG slices are named in <paramref name="Sliced"/> and left out.</param>
/// <param name="Uses">By process; empty when none runs, or when the driver shows none to this container.</param>
/// <param name="Sliced">Devices with MIG on: their slices have no per-slice numbers in these queries.</param>
internal sealed record GpuReading(ImmutableArray<Gpu> Gpus, ImmutableArray<GpuUse> Uses, ImmutableArray<string> Sliced);

/// <summary>Asks nvidia-smi, within a bounded time.</summary>
internal static class NvidiaSmi
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private const int OutputCharsMax = 1024 * 1024;
    private const int GpusMax = 1024;

    /// <summary>The program on PATH; null when there is none.</summary>
    public static string? Find() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, "nvidia-smi")).FirstOrDefault(File.Exists);

    /// <summary>One look. Null and a sentence when it fails or takes too long.</summary>
    public static async Task<(GpuReading? Reading, string? Error)> ReadAsync(
        string program, TimeProvider time, CancellationToken cancellationToken)
    {
        var (devices, error) = await RunAsync(
            program, "--query-gpu=uuid,name,memory.total,memory.used,mig.mode.current", time, cancellationToken).ConfigureAwait(false);
        if (devices is null) return (null, error);
        // The list of processes is not allowed everywhere; without it, all that is used counts as somebody's.
        var (uses, _) = await RunAsync(
            program, "--query-compute-apps=gpu_uuid,pid,used_memory", time, cancellationToken).ConfigureAwait(false);
        return (Parse(devices, uses ?? ""), null);
    }

    /// <summary>Parses the two answers in "csv,noheader,nounits": memory in MiB, "[N/A]" and the like where unknown.</summary>
    internal static GpuReading Parse(string devices, string processes)
    {
        var gpus = ImmutableArray.CreateBuilder<Gpu>();
        var sliced = ImmutableArray.CreateBuilder<string>();
        foreach (var fields in Rows(devices).Take(GpusMax))
        {
            if (fields.Length < 4 || !fields[0].StartsWith("GPU-", StringComparison.Ordinal)) continue;
            if (fields.Length > 4 && fields[4].Equals("Enabled", StringComparison.OrdinalIgnoreCase)) sliced.Add(fields[0]);
            else gpus.Add(new Gpu(fields[0], fields[1], MebiBytes(fields[2]), MebiBytes(fields[3])));
        }

        var uses = ImmutableArray.CreateBuilder<GpuUse>();
        foreach (var fields in Rows(processes))
        {
            if (fields.Length >= 3 && int.TryParse(fields[1], CultureInfo.InvariantCulture, out var pid))
                uses.Add(new GpuUse(fields[0], pid, MebiBytes(fields[2])));
        }

        gpus.Sort((a, b) => string.CompareOrdinal(a.Uuid, b.Uuid));
        return new GpuReading(gpus.ToImmutable(), uses.ToImmutable(), sliced.ToImmutable());
    }

    private static IEnumerable<string[]> Rows(string csv) =>
        csv.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(line => line.Split(',', StringSplitOptions.TrimEntries));

    private static Bytes? MebiBytes(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var mebi) && mebi < 1L << 40 ? Bytes.MiB(mebi) : null;

    private static async Task<(string? Text, string? Error)> RunAsync(
        string program, string query, TimeProvider time, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, [query, "--format=csv,noheader,nounits"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
            },
        };
        try
        {
            process.Start();
            var errors = process.StandardError.ReadToEndAsync(either.Token);
            var text = await ReadBoundedAsync(process.StandardOutput, either.Token).ConfigureAwait(false);
            await process.WaitForExitAsync(either.Token).ConfigureAwait(false);
            var said = (await errors.ConfigureAwait(false)).Trim();
            return process.ExitCode == 0
                ? (text, null)
                : (null, $"nvidia-smi failed with code {process.ExitCode}: {(said.Length > 0 ? said : text.Trim())}");
        }
        catch (Win32Exception e)
        {
            return (null, $"nvidia-smi could not be started: {e.Message}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            process.Kill(entireProcessTree: true);
            return (null, $"nvidia-smi did not answer within {Durations.Show(Patience)}");
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    private static async Task<string> ReadBoundedAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        var buffer = new char[OutputCharsMax];
        var length = await reader.ReadBlockAsync(buffer, cancellationToken).ConfigureAwait(false);
        return new string(buffer, 0, length);
    }
}

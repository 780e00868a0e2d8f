namespace Plimsoll;

/// <summary>What each member of a gang takes of its node, of a run whose devices are known to hold it.</summary>
public static class GangNeeds
{
    /// <summary>Host memory of a rank's own process: interpreter, libraries, batches that are got ready. Assumed: no measured run at hand says it.</summary>
    public static readonly Bytes RankFixed = Bytes.GiB(4);

    /// <summary>Cores of a rank: its own and those that get batches ready. Assumed, as its memory is.</summary>
    public static readonly Cores RankCores = Cores.Of(2);

    /// <summary>
    /// One member of so many that share the run's devices evenly: its devices at the peak of the worst stage; in host memory its ranks'
    /// processes, what is offloaded, and its part of a checkpoint, which passes through host memory on its way out and in.
    /// </summary>
    /// <param name="report">The run.</param>
    /// <param name="members">Members; they divide the run's devices.</param>
    /// <exception cref="ArgumentOutOfRangeException">The devices cannot be shared evenly.</exception>
    public static ReplicaNeeds Of(TrainReport report, int members)
    {
        ArgumentNullException.ThrowIfNull(report);
        var devices = report.Run.Devices;
        if (members < 1 || devices % members != 0 || devices / members > int.MaxValue)
            throw new ArgumentOutOfRangeException(nameof(members), members, $"{devices} devices are not shared evenly");
        var ranks = devices / members;
        var host = new Bytes(checked(ranks * (report.PerDevice.Host + RankFixed).Value)) + new Bytes(report.Checkpoint.Value / members);
        return new ReplicaNeeds
        {
            Host = new MemoryNeed(host, host),
            Devices = (int)ranks,
            PerDevice = new MemoryNeed(report.PerDevice.Total, report.PerDevice.Total),
            Cores = new Cores(RankCores.Milli * ranks),
            Disk = Bytes.Zero,
        };
    }
}

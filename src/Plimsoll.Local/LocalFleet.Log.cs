using Microsoft.Extensions.Logging;

namespace Plimsoll.Local;

public sealed partial class LocalFleet
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Adopted {Replica}, process {Pid}, {State}")]
    private partial void LogAdopted(ReplicaId replica, int pid, ReplicaState state);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Ended orphan process {Pid}: of this fleet, but of no replica on record")]
    private partial void LogOrphanEnded(int pid);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The replica record {File} cannot be read and was set aside")]
    private partial void LogRecordUnreadable(string file);

    [LoggerMessage(Level = LogLevel.Information, Message = "Started {Replica}, process {Pid}, port {Port}")]
    private partial void LogStarted(ReplicaId replica, int pid, int port);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Replica} is {State}")]
    private partial void LogState(ReplicaId replica, ReplicaState state);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Replica} {Why}")]
    private partial void LogEnded(ReplicaId replica, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Replica} crashed: {Why}")]
    private partial void LogCrashed(ReplicaId replica, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Replica} {Why}")]
    private partial void LogHung(ReplicaId replica, string why);

    [LoggerMessage(Level = LogLevel.Information, Message = "The clock jumped by {Jump}; what runs goes by the time that it ran")]
    private partial void LogClockJumped(TimeSpan jump);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Step} failed: {Why}")]
    private partial void LogStepFailed(StepId step, string why);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "Port {Port} of {Replica} is answered by a process that is not its own; it is not taken for ready")]
    private partial void LogPortTaken(int port, ReplicaId replica);

    [LoggerMessage(Level = LogLevel.Warning, Message = "GPUs cannot be read: {Why}")]
    private partial void LogGpusUnreadable(string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "GPU {Uuid} is cut into MIG slices and is left alone")]
    private partial void LogGpuSliced(string uuid);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "The kernel cannot be made to enforce the memory budget: {Why}")]
    private partial void LogBudgetNotEnforced(string why);

    [LoggerMessage(Level = LogLevel.Error, Message = "The record of {Replica} cannot be written: {Why}")]
    private partial void LogNotRecorded(ReplicaId replica, string why);

    [LoggerMessage(Level = LogLevel.Error, Message = "The record of {Replica}, which is gone, cannot be deleted and is tried again: {Why}")]
    private partial void LogNotDeleted(ReplicaId replica, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What runs cannot be looked at, and is taken to be as it was: {Why}")]
    private partial void LogProcessesUnreadable(string why);

    [LoggerMessage(Level = LogLevel.Error, Message = "Work on a replica failed")]
    private partial void LogErrandFailed(Exception e);

    [LoggerMessage(Level = LogLevel.Information, Message = "Fetching {Model} from {Source}")]
    private partial void LogFetching(ModelId model, string source);

    [LoggerMessage(Level = LogLevel.Information, Message = "No longer fetching {Model}@{Version}: the fleet wants it no more")]
    private partial void LogFetchEnded(ModelId model, string version);

    [LoggerMessage(Level = LogLevel.Information, Message = "Evicted {Model}@{Version}, {Size}")]
    private partial void LogEvicted(ModelId model, string version, Bytes size);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What runs goes on without the model cache: {Why}")]
    private partial void LogCacheUnusable(string why);

    [LoggerMessage(Level = LogLevel.Error, Message = "Looking after the replicas failed; it goes on")]
    private partial void LogTendFailed(Exception e);
}

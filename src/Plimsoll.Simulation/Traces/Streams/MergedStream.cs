namespace Plimsoll.Simulation.Traces;

/// <summary>Streams as one, in the order of their arrivals; of those at the same time the first stream's comes first.</summary>
internal sealed class MergedStream : IRequestStream
{
    private readonly IRequestStream[] _streams;
    private readonly RequestGroup?[] _next;

    public MergedStream(params IRequestStream[] streams)
    {
        (_streams, _next) = (streams, new RequestGroup?[streams.Length]);
        for (var i = 0; i < streams.Length; i++) Pull(i);
    }

    public bool TryNext(out RequestGroup group)
    {
        var first = -1;
        for (var i = 0; i < _next.Length; i++)
            if (_next[i] is { } one && (first < 0 || one.At < _next[first]!.Value.At)) first = i;
        group = first < 0 ? default : _next[first]!.Value;
        if (first >= 0) Pull(first);
        return first >= 0;
    }

    private void Pull(int stream) => _next[stream] = _streams[stream].TryNext(out var group) ? group : null;
}

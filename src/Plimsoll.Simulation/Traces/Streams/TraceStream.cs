namespace Plimsoll.Simulation.Traces;

/// <summary>
/// A trace's requests: each by itself in seconds that have few, else so many groups a second, neighbours together. A group has the
/// lengths of the one in its middle, scaled so that all tokens of a second are as many as the trace's.
/// </summary>
/// <param name="trace">The requests.</param>
/// <param name="groupsPerSecond">The most groups of a second, at least 1.</param>
internal sealed class TraceStream(RequestTrace trace, int groupsPerSecond) : IRequestStream
{
    private int _next;
    private int _from;
    private int _to;
    private int _group;
    private double _prompts;
    private double _answers;

    public bool TryNext(out RequestGroup group)
    {
        group = default;
        if (_next >= trace.Count && _group == 0) return false;
        if (_next >= _to && _group == 0) NextSecond();
        if (_to - _from <= groupsPerSecond)
        {
            group = new RequestGroup(trace.Arrivals[_next], 1, trace.Prompts[_next], trace.Answers[_next]);
            _next++;
            return true;
        }

        var (first, end) = Bounds(_group);
        var middle = (first + end) / 2;
        group = new RequestGroup(trace.Arrivals[middle], end - first, Scaled(trace.Prompts[middle], _prompts), Scaled(trace.Answers[middle], _answers));
        _next = end;
        _group = _next < _to ? _group + 1 : 0;
        return true;
    }

    private (int First, int End) Bounds(int group)
    {
        var count = (long)(_to - _from);
        return (_from + (int)(count * group / groupsPerSecond), _from + (int)(count * (group + 1) / groupsPerSecond));
    }

    private void NextSecond()
    {
        var ends = Math.Floor(trace.Arrivals[_next]) + 1;
        _from = _to = _next;
        while (_to < trace.Count && trace.Arrivals[_to] < ends) _to++;
        if (_to - _from <= groupsPerSecond) return;
        double prompts = 0, answers = 0, groupedPrompts = 0, groupedAnswers = 0;
        for (var i = _from; i < _to; i++)
        {
            prompts += trace.Prompts[i];
            answers += trace.Answers[i];
        }

        for (var group = 0; group < groupsPerSecond; group++)
        {
            var (first, end) = Bounds(group);
            groupedPrompts += (double)(end - first) * trace.Prompts[(first + end) / 2];
            groupedAnswers += (double)(end - first) * trace.Answers[(first + end) / 2];
        }

        (_prompts, _answers) = (prompts / groupedPrompts, answers / groupedAnswers);
    }

    private static int Scaled(int tokens, double factor) => (int)Math.Max(1, Math.Round(Math.Min(tokens * factor, int.MaxValue)));
}

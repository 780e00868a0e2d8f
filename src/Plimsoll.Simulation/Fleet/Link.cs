namespace Plimsoll.Simulation.Fleet;

/// <summary>A disk or a network that transfers share: each gets as much as any other, or less where it can't take as much.</summary>
internal sealed class Link(EventQueue events, double bytesPerSecond)
{
    private readonly List<Transfer> _transfers = [];
    private double _share = 1;
    private double _since;
    private int _generation;

    public int Count => _transfers.Count;

    /// <summary>Begins one.</summary>
    /// <param name="bytes">How many; none ends at once.</param>
    /// <param name="alone">Bytes a second that it can take when nothing else uses the link.</param>
    /// <param name="now">Seconds of the run.</param>
    /// <param name="ended">Called with the time when all bytes are over.</param>
    public Transfer Begin(double bytes, double alone, double now, Action<double> ended)
    {
        Progress(now);
        var transfer = new Transfer { Left = bytes, Alone = Math.Max(1, alone), Ended = ended };
        _transfers.Add(transfer);
        Schedule(now);
        return transfer;
    }

    /// <summary>Breaks one off; nobody is told.</summary>
    public void End(Transfer transfer, double now)
    {
        Progress(now);
        _transfers.Remove(transfer);
        Schedule(now);
    }

    /// <summary>It gives this share of what it gives when all is well, from now on.</summary>
    public void Limit(double share, double now)
    {
        Progress(now);
        _share = share;
        Schedule(now);
    }

    private void Progress(double now)
    {
        foreach (var transfer in _transfers) transfer.Left = Math.Max(0, transfer.Left - (transfer.Rate * (now - _since)));
        _since = now;
    }

    private void Schedule(double now)
    {
        // Those that can take least first: what they leave is shared by the rest.
        _transfers.Sort((a, b) => a.Alone.CompareTo(b.Alone));
        var left = Math.Max(1, bytesPerSecond * _share);
        for (var i = 0; i < _transfers.Count; i++)
        {
            _transfers[i].Rate = Math.Max(1, Math.Min(_transfers[i].Alone, left / (_transfers.Count - i)));
            left = Math.Max(0, left - _transfers[i].Rate);
        }

        var generation = ++_generation;
        if (_transfers.Count == 0) return;
        var next = _transfers.MinBy(transfer => transfer.Left / transfer.Rate)!;
        events.At(now + (next.Left / next.Rate), time =>
        {
            if (generation != _generation) return;
            Progress(time);
            _transfers.Remove(next);
            Schedule(time);
            next.Ended(time);
        });
    }

    internal sealed class Transfer
    {
        public required double Left { get; set; }

        public required double Alone { get; init; }

        public required Action<double> Ended { get; init; }

        public double Rate { get; set; }
    }
}

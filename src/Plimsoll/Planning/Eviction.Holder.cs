namespace Plimsoll;

// Who holds what others claim.
internal sealed partial class Eviction
{
    /// <summary>
    /// A replica with all that a claimant asks of it and of its model, side by side: of a large fleet where devices are scarce, hundreds
    /// of claimants look at every node.
    /// </summary>
    private readonly struct Holder
    {
        public Holder(InferenceReplica replica, ModelOutlook owner, NodeLedger.Release release, int wanted, PlannerSettings settings)
        {
            Release = release;
            (Replica, Owner, State, Since) = (replica, owner, replica.State, replica.StateSince);
            (Priority, Load, LoadFromDisk, Fetch) = (owner.Model.Priority, owner.LoadAnew.P90, owner.LoadFromDisk.P90, owner.Fetch.P90);
            Wake = owner.Wake?.P90;
            var asleep = IsAsleep = replica.State == ReplicaState.Asleep && owner.Wake is not null;
            _beyondLeast = asleep ? int.MaxValue : owner.Serving - owner.Model.MinReplicas;
            _beyondWanted = (asleep ? owner.Supply + 1 : owner.Serving) - wanted;
            ActiveRate = owner.ActiveRate;
            IdleSeconds = owner.Idle is { } gap ? Math.Max(gap.TotalSeconds, 1e-3) : double.PositiveInfinity;
            owner.Demand.TryGetLast(out var lately);

            // By when the last request came, and not by which buckets hold one: whether a pause shows in those depends on where in a bucket it falls.
            var asked = settings.LoadsPerTurn == 0 ? lately > 0 : owner.Idle is { } silent && silent < settings.Lately;
            InUse = asked || owner.Outstanding > 0 || (settings.IdleIsSeen && !owner.TrafficSeen);
            Left = asleep ? owner.Serving : owner.Serving - 1;
            if (Left > 0 && owner.Capacity is { } capacity)
            {
                owner.Forecast.TryGetLast(out var forecast);
                (_capacity, _forecast) = (capacity, forecast);
            }

            LossLeast = AtTheLeast(Math.Max(1, settings.LoadsPerTurn), settings);
            PriceLeast = AtTheLeast(1, settings);
        }

        // Negative where there are too few.
        private readonly int _beyondLeast;
        private readonly int _beyondWanted;

        // Of one replica, null where nobody knows; and of the model.
        private readonly double? _capacity;
        private readonly double _forecast;

        /// <summary>Its place among those of its node.</summary>
        public int At { get; init; }

        public InferenceReplica Replica { get; }

        public ModelOutlook Owner { get; }

        /// <summary>What the node has back once it is gone.</summary>
        public NodeLedger.Release Release { get; }

        public ReplicaState State { get; }

        public DateTimeOffset Since { get; }

        public int Priority { get; }

        public TimeSpan Load { get; }

        public TimeSpan LoadFromDisk { get; }

        public TimeSpan Fetch { get; }

        /// <summary>How long one of its model takes to wake; null where it cannot sleep.</summary>
        public TimeSpan? Wake { get; }

        /// <summary>It sleeps and a plan could wake it; what somebody else put to sleep, where no plan can, is held as if it served.</summary>
        public bool IsAsleep { get; }

        /// <summary>What it loses by going at the least, whoever the claimant is: a bound below <see cref="Candidate.Loss"/>.</summary>
        public double LossLeast { get; }

        /// <summary>The same if the claimant stayed for one load: a bound below <see cref="Candidate.LossOfOneLoad"/> and so below every price.</summary>
        public double PriceLeast { get; }

        /// <summary>Its model has no more than it is to have at the least.</summary>
        /// <param name="gone">How many others of it that serve go too.</param>
        public bool IsLeast(int gone) => _beyondLeast <= gone;

        /// <summary>Its model has no more than it wants.</summary>
        /// <param name="gone">How many others of it that serve go too.</param>
        public bool IsNeeded(int gone) => _beyondWanted <= gone;

        /// <summary>Of a version that is being replaced, so that it yields to its successor.</summary>
        public bool IsReplaced => Replica.Version != Owner.Model.Version;

        /// <summary>Whether it could go for an equal that asks for it, whoever that is: one that is there, no longer loads, is more than the least, and has served for its own load.</summary>
        public bool MayGoForEqual(DateTimeOffset at) =>
            State is ReplicaState.Ready or ReplicaState.Asleep && !Replica.Turning && !IsLeast(0) && at - Since >= (Wake is { } wake && wake < Load ? wake : Load);

        /// <summary>It serves, or a request came lately.</summary>
        public bool InUse { get; }

        public double ActiveRate { get; }

        /// <summary>Without end where nobody ever asked.</summary>
        public double IdleSeconds { get; }

        /// <summary>Replicas that would still serve if none went but it.</summary>
        public int Left { get; }

        /// <summary>The share of what it serves that is lost: what those that stay have no capacity for, its part of all where nobody knows.</summary>
        /// <param name="gone">How many of those that would still serve go too.</param>
        public double Unserved(int gone) => Left > gone && _capacity is { } capacity
            ? _forecast <= 0 ? 0 : Math.Max(0, _forecast - (capacity * (Left - gone))) / _forecast
            : 1.0 / Math.Max(1, Left - gone + 1);

        // For a claimant that is there at once, with nobody else of its model gone. A version's predecessor may go for nothing, and of one
        // that sleeps only a difference is lost.
        private double AtTheLeast(int loads, PlannerSettings settings)
        {
            if (IsReplaced || IsAsleep) return 0;
            if (State == ReplicaState.Loading || Replica.Turning) return Load.TotalSeconds;
            var (back, reload) = Wake is { } wake ? (wake < Load ? wake : Load, wake < LoadFromDisk ? wake : LoadFromDisk) : (Load, LoadFromDisk);
            var absent = InUse ? reload.TotalSeconds + (back.TotalSeconds * loads) : reload.TotalSeconds;
            var returns = InUse ? 1 : 1 - Math.Exp(-reload.TotalSeconds / IdleSeconds);

            // Rounding must not lift it.
            return returns * Waiting(ActiveRate, absent, settings.LoadsPerTurn > 0 ? HeldMost.TotalSeconds : double.PositiveInfinity) * Unserved(0) * (1 - 1e-9);
        }
    }

    /// <summary>What was found for a claimant so far, on other nodes.</summary>
    /// <param name="Best">How much the one that matters most of those that would go matters, and what they lose; null where nothing was found.</param>
    /// <param name="Refused">Of what was refused the least price; null where nothing was.</param>
    /// <param name="Debt">Request-seconds that the claimant has lost.</param>
    /// <param name="Others">Who else may pay.</param>
    /// <param name="ByRank">Whether who matters least goes first, or only losses count.</param>
    private readonly record struct Found((int Rank, double Loss)? Best, double? Refused, double Debt, Others Others, bool ByRank)
    {
        public bool IsBeatenBy(int rank, double loss) => Best is not { } best || (ByRank && rank < best.Rank) || ((!ByRank || rank == best.Rank) && loss < best.Loss);
    }

    /// <summary>Who holds what of one node, and who of them could go for an equal at all.</summary>
    private sealed class Here
    {
        public static readonly Here Nobody = new([], default);

        private readonly Holder[] _forEquals;
        private readonly int _lowest = int.MaxValue;
        private readonly DateTimeOffset _longest = DateTimeOffset.MaxValue;
        private readonly bool _anyReplaced;
        private readonly (double Loss, double Price) _leastForEquals;
        private readonly (double Loss, double Price) _least;
        private readonly (int Devices, Bytes Charge, Bytes Host) _largest;

        /// <param name="all">Its replicas.</param>
        /// <param name="at">The moment that is decided for.</param>
        public Here(Holder[] all, DateTimeOffset at)
        {
            All = all;
            foreach (ref readonly var one in all.AsSpan())
            {
                _lowest = Math.Min(_lowest, one.Priority);
                _anyReplaced |= one.IsReplaced;
                _largest = (Math.Max(_largest.Devices, one.Replica.Placement.Devices.Length), Bytes.Max(_largest.Charge, Weighing.DeviceCharge(one.Replica)),
                    Bytes.Max(_largest.Host, one.Replica.Reserved.Host.Highest));
            }

            _forEquals = Array.FindAll(all, one => one.IsReplaced || one.MayGoForEqual(at));
            foreach (ref readonly var one in _forEquals.AsSpan())
                if (one.Since < _longest) _longest = one.Since;
            (_least, _leastForEquals) = (LeastOf(all), LeastOf(_forEquals));
        }

        public Holder[] All { get; }

        /// <summary>Those that are worth a look for a claimant: most are there for too short a time, or are the least that their model has.</summary>
        public ReadOnlySpan<Holder> For(ModelOutlook claimant, DateTimeOffset at)
        {
            if (_lowest < claimant.Model.Priority) return All;

            // None has been there for the time that the claimant's load takes.
            return !_anyReplaced && at - _longest < claimant.Load.P90 ? [] : _forEquals;
        }

        /// <summary>Whether nobody that is here could go for less than what was found, or for as much as there is to pay with: told without a look at each.</summary>
        public bool IsNoBetter(ModelOutlook claimant, Found found)
        {
            // A successor takes from its predecessors what it doesn't pay for.
            if (_anyReplaced) return false;
            var lower = _lowest < claimant.Model.Priority;
            var (loss, price) = lower ? _least : _leastForEquals;
            if (found.Best is not null && !found.IsBeatenBy(lower ? _lowest : claimant.Model.Priority, loss)) return true;

            // All of them must be paid for, and what was refused before would be named in their place.
            return !lower && price > found.Debt && (found.Best is not null || found.Refused <= price)
                && (!MayShare(claimant) || found.Others.Queue is null || price > found.Debt + found.Others.Debt);
        }

        private static (double Loss, double Price) LeastOf(Holder[] those)
        {
            var (loss, price) = (double.PositiveInfinity, double.PositiveInfinity);
            foreach (ref readonly var one in those.AsSpan()) (loss, price) = (Math.Min(loss, one.LossLeast), Math.Min(price, one.PriceLeast));
            return (loss, price);
        }

        // Whether one of them could be larger than the claimant, so that others pay with it.
        private bool MayShare(ModelOutlook claimant) => claimant.Needs.Devices > 0
            ? _largest.Devices > claimant.Needs.Devices || claimant.Needs.PerDevice is { } each && _largest.Charge >= each.Highest * 2
            : _largest.Host >= claimant.Needs.Host.Highest * 2;
    }

    private static Dictionary<NodeState, Here> Holders(
        FleetSnapshot observed, Knowledge knowledge, Dictionary<ModelId, ModelOutlook> outlooks, Dictionary<ModelId, Allocation> allocations, PlannerSettings settings)
    {
        var byNode = new Dictionary<NodeId, List<Holder>>();

        // Once for each model: of one with thousands of replicas to look for a later one from each of them takes longer than the plan.
        var last = new Dictionary<ModelId, int>();
        foreach (var replica in observed.Replicas)
        {
            if (replica.EndsInOrder is { } order) last[replica.Model] = Math.Max(order, last.GetValueOrDefault(replica.Model, int.MinValue));
        }

        foreach (var replica in observed.Replicas)
        {
            if (!outlooks.TryGetValue(replica.Model, out var owner) || !owner.Model.Acts) continue;
            if (replica.EndsInOrder is { } order && order < last[replica.Model]) continue;
            var holder = new Holder(replica, owner, NodeLedger.Release.Of(replica, knowledge.Of(replica.Model)), allocations[replica.Model].Wanted, settings);
            if (byNode.TryGetValue(replica.Placement.Node, out var here)) here.Add(holder with { At = here.Count });
            else byNode[replica.Placement.Node] = [holder];
        }

        // By the node itself: to hash its name costs more than the look.
        var those = new Dictionary<NodeState, Here>(byNode.Count, ReferenceEqualityComparer.Instance);
        foreach (var node in observed.Nodes)
        {
            if (byNode.TryGetValue(node.Id, out var here)) those[node] = new Here([.. here], observed.At);
        }

        return those;
    }
}

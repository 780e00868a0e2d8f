using System.Collections.Immutable;

namespace Plimsoll;

public sealed partial record Knowledge
{
    // A replica that has served this long is not in a crash loop any more.
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(30);

    internal static readonly TimeSpan ActiveWindow = TimeSpan.FromMinutes(1);

    /// <summary>
    /// What is known once a snapshot has been seen. Learns from observations only, never from plans, so it holds whether
    /// or not the last plan was applied.
    /// </summary>
    public Knowledge Fold(FleetSpec spec, FleetSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(snapshot);
        var models = Editing(Models);
        foreach (var model in spec.Models)
        {
            var known = Of(model.Id);
            if (known.Version != model.Version)
                models[model.Id] = known with
                {
                    Version = model.Version,
                    Loads = LoadStatistics.None,
                    VariantLoads = null,
                    Wakes = null,
                    Memory = ImmutableSortedDictionary<VariantId, MeasuredMemory>.Empty,
                    Service = ServiceFit.None,
                    VariantServices = null,
                    Paces = null,
                    Failures = FailureRecord.None,
                };
            else if (spec.Settings.LearnsSoberly && !known.Memory.IsEmpty && Expecting(known.Memory, model, snapshot.At) is { } memory && !ReferenceEquals(memory, known.Memory))
                models[model.Id] = known with { Memory = memory };
        }

        FoldTraffic(spec, snapshot, BootLongest(spec), models);
        FoldReplicas(spec, snapshot, models);
        var (loads, fetches) = FoldOutcomes(spec, snapshot, models);
        Forget(spec, snapshot, models);
        return this with
        {
            FoldedAt = snapshot.At,
            Models = models.ToImmutable(),
            FleetLoads = loads,
            FleetFetches = fetches,
            NodeBoots = FoldNodes(spec, snapshot),
            Training = TrainingKnowledge.Fold(Training, spec, snapshot),
        };
    }

    private static ImmutableSortedDictionary<VariantId, MeasuredMemory> Expecting(ImmutableSortedDictionary<VariantId, MeasuredMemory> memory, ModelSpec model, DateTimeOffset at)
    {
        foreach (var variant in model.Variants)
            if (memory.TryGetValue(variant.Id, out var measured) && measured.Expecting(variant.Needs.PerDevice?.Highest, at) is var now && !ReferenceEquals(now, measured)) memory = memory.SetItem(variant.Id, now);
        return memory;
    }

    // What is known of a model is another's only where it is another object: to compare all of it, as its record would, costs more than to write it.
    internal static ImmutableSortedDictionary<ModelId, ModelKnowledge>.Builder Editing(ImmutableSortedDictionary<ModelId, ModelKnowledge> models)
    {
        var builder = models.ToBuilder();
        builder.ValueComparer = ReferenceEqualityComparer.Instance;
        return builder;
    }

    private static void FoldTraffic(
        FleetSpec spec, FleetSnapshot snapshot, TimeSpan boot, ImmutableSortedDictionary<ModelId, ModelKnowledge>.Builder models)
    {
        var specs = spec.Models.ToDictionary(model => model.Id);
        var serving = Serving(spec.Settings, snapshot, specs);
        var slowed = spec.Settings.SharesTime ? SharedDevices.Slowed(snapshot, spec.Settings) : null;
        var known = new ModelKnowledge?[snapshot.Traffic.Length];
        for (var i = 0; i < known.Length; i++) known[i] = models.GetValueOrDefault(snapshot.Traffic[i].Model);
        OfEach.Do(known.Length, i =>
        {
            var row = snapshot.Traffic[i];
            if (known[i] is not { } before) return;
            var alone = Alone(row, slowed);
            var folded = FoldTraffic(spec, specs.GetValueOrDefault(row.Model), alone, boot, before, serving.GetValueOrDefault(row.Model, new Serves([], false, false)));

            // How long a request is waited for that drains is as long as it took beside others.
            known[i] = ReferenceEquals(alone, row) || ReferenceEquals(folded.Service, before.Service) ? folded : folded with { Service = folded.Service.Lasting(row.Service!, spec.Settings.DrainAsLongAsSeen) };
        });
        for (var i = 0; i < known.Length; i++)
        {
            if (known[i] is { } learned) models[snapshot.Traffic[i].Model] = learned;
        }
    }

    private static ModelKnowledge FoldTraffic(
        FleetSpec spec, ModelSpec? model, ModelTraffic row, TimeSpan boot, ModelKnowledge known, Serves serving)
    {
        // Requests of another version's replicas cannot be told apart from those of this one's, and teach of none.
        var sample = serving.Others ? null : row.Service;
        double? floor = !row.Censored ? null
            : known.RateBeforeCensored ?? (known.Demand.MeanRate(ActiveWindow, spec.Settings, row.From).TryGetKnown(out var before) ? before : 0);
        var arrivals = Math.Max(row.Arrivals, (floor ?? 0) * (row.To - row.From).TotalSeconds);
        var demand = known.Demand.Add(row.From, row.To, arrivals, spec.Settings);
        return FoldForecast(spec.Settings, model, row, arrivals, serving.Ready, known.LastArrival, known.Demand.End, boot, known with
        {
            Demand = demand,
            RateBeforeCensored = floor,
            ActiveRate = row.Arrivals > 0 && demand.MeanRate(ActiveWindow, spec.Settings, row.To).TryGetKnown(out var rate)
                ? rate : known.ActiveRate,
            LastArrival = row.Arrivals > 0 || row.HeldNow > 0 || row.Censored || (spec.Settings.LearnsSoberly && known.LastArrival > row.To) ? row.To : known.LastArrival,
            HeldDebt = row.HeldNow > 0 || !serving.Ready
                ? known.HeldDebt + Math.Max(0, row.HeldRequestSeconds) : 0,
            Service = sample is not null ? Learned(spec, row, known.Service, sample) : known.Service,
            VariantServices = Services(spec, model, row, sample, known, serving.Variants),
            Tokens = row.Tokens is { } tokens ? (known.Tokens ?? TokenMeans.None).Add(tokens) : known.Tokens,
            Paces = Paces(model, row, sample, known, serving.Variants),
        });
    }

    // As it would have taken without others on the same devices: what a replica carries by itself is what is learned.
    private static ModelTraffic Alone(ModelTraffic row, IReadOnlyDictionary<ModelId, double>? slowed) =>
        slowed is null || row.Service is not { } sample || !slowed.TryGetValue(row.Model, out var times) ? row : row with
        {
            Service = sample with { SumL = sample.SumL / times, SumNL = sample.SumNL / times, MaxLatencySeconds = sample.MaxLatencySeconds / times },
        };

    private TimeSpan BootLongest(FleetSpec spec) => spec.NodePools.IsDefaultOrEmpty ? TimeSpan.Zero : spec.NodePools.Max(BootTime);

    // Of a model the variants whose replicas had requests, whether one is ready, and whether any is of another version.
    private readonly record struct Serves(VariantId[] Variants, bool Ready, bool Others);

    private static Dictionary<ModelId, Serves> Serving(PlannerSettings settings, FleetSnapshot snapshot, Dictionary<ModelId, ModelSpec> specs)
    {
        var serving = new Dictionary<ModelId, Serves>();
        foreach (var replica in snapshot.Replicas)
        {
            if (replica.State is not (ReplicaState.Ready or ReplicaState.Draining)) continue;
            var (variants, ready, others) = serving.GetValueOrDefault(replica.Model, new Serves([], false, false));
            others |= settings.LearnsSoberly && specs.TryGetValue(replica.Model, out var model) && model.Version != replica.Version;
            serving[replica.Model] = new Serves(
                variants.Contains(replica.Variant) ? variants : [.. variants, replica.Variant], ready || replica.State == ReplicaState.Ready, others);
        }

        return serving;
    }

    // Requests of replicas of several variants cannot be told apart, and teach of none.
    private static ImmutableSortedDictionary<VariantId, Slowness>? Paces(
        ModelSpec? model, ModelTraffic row, ServiceSample? sample, ModelKnowledge known, VariantId[] serving)
    {
        if (sample is null || serving is not [var id]) return known.Paces;
        if (model?.Variants.FirstOrDefault(variant => variant.Id == id)?.Service is not { } prior) return known.Paces;
        var before = known.Paces ?? ImmutableSortedDictionary<VariantId, Slowness>.Empty;
        var lengths = (known.Tokens ?? TokenMeans.None).Or(prior.PromptTokens, prior.AnswerTokens);
        return before.SetItem(id, before.GetValueOrDefault(id, Slowness.Predicted(prior.LogSpread, row.From))
            .Learn(prior, sample, lengths, row.To));
    }

    private static ImmutableSortedDictionary<VariantId, ServiceFit>? Services(
        FleetSpec spec, ModelSpec? model, ModelTraffic row, ServiceSample? sample, ModelKnowledge known, VariantId[] serving)
    {
        if (!spec.Settings.CheapestVariant || model is not { Variants.Length: > 1 } || sample is null || serving is not [var id]) return known.VariantServices;
        var before = known.VariantServices ?? ImmutableSortedDictionary<VariantId, ServiceFit>.Empty;
        return before.SetItem(id, Learned(spec, row, before.GetValueOrDefault(id, ServiceFit.None), sample));
    }

    // An overloaded interval may show that a replica carries more than was known, never that it carries less: its
    // times say how much was asked of it. Where nothing is known it is better than nothing.
    private static ServiceFit Learned(FleetSpec spec, ModelTraffic row, ServiceFit known, ServiceSample sample)
    {
        var learned = known.Add(spec.Settings.LearnsSoberly ? known.Sober(sample) : sample, spec.Settings.DrainAsLongAsSeen);
        if (!row.Censored || spec.Find(row.Model) is not { } model) return learned;
        var concurrency = model.Variants.Max(variant => variant.Concurrency);
        return known.CapacityPerSecond(model.Slo, concurrency) is { } before
            && !(learned.CapacityPerSecond(model.Slo, concurrency) >= before) ? known : learned;
    }

    private static void FoldReplicas(
        FleetSpec spec, FleetSnapshot snapshot, ImmutableSortedDictionary<ModelId, ModelKnowledge>.Builder models)
    {
        // One model's replicas mostly stand one after another: it is looked up once for them.
        var (of, known) = (default(ModelId), (ModelKnowledge?)null);
        foreach (var replica in snapshot.Replicas)
        {
            if (replica.Model != of) (of, known) = (replica.Model, models.GetValueOrDefault(replica.Model));
            if (known is null) continue;
            var before = known;
            if (replica.Id.Ordinal >= known.NextOrdinal) known = known with { NextOrdinal = replica.Id.Ordinal + 1 };
            if (known.Failures.Count > 0 && replica.State == ReplicaState.Ready && replica.Version == known.Version
                && snapshot.At - replica.StateSince >= Settled && known.Failures.IsBefore(replica.StateSince, spec.Settings))
                known = known with { Failures = FailureRecord.None };

            // What is in use now can only raise a measured value; a first look right after the load proves nothing.
            if (replica.State == ReplicaState.Ready && replica.Version == known.Version
                && replica.HostMemory.TryGetKnown(out var now)
                && known.Memory.TryGetValue(replica.Variant, out var measured) && now > measured.Steady)
                known = known with { Memory = known.Memory.SetItem(replica.Variant, measured with { Steady = now }) };
            if (replica.State == ReplicaState.Ready && replica.Version == known.Version
                && replica.DeviceMemory.TryGetKnown(out var onDevice)
                && known.Memory.TryGetValue(replica.Variant, out measured) && !(measured.PerDevice >= onDevice) && !(replica.StartedAt < measured.Since))
                known = known with { Memory = known.Memory.SetItem(replica.Variant, measured with { PerDevice = onDevice }) };

            if (replica.State == ReplicaState.Ready && known.Memory.TryGetValue(replica.Variant, out measured) && measured.Unworked && HasWorked(known, replica.Variant))
                known = known with { Memory = known.Memory.SetItem(replica.Variant, measured with { Unworked = false }) };

            // A reading from before it slept tells of when it was awake.
            if (replica is { State: ReplicaState.Asleep, Turning: false } && replica.Version == known.Version
                && replica.DeviceMemory.TryGetKnown(out var kept) && replica.DeviceMemory.At >= replica.StateSince
                && known.Memory.TryGetValue(replica.Variant, out measured) && !(measured.PerDeviceAsleep >= kept) && !(replica.StartedAt < measured.Since))
                known = known with { Memory = known.Memory.SetItem(replica.Variant, measured with { PerDeviceAsleep = kept }) };
            if (!ReferenceEquals(known, before)) models[replica.Model] = known;
        }
    }

    private (LoadStatistics Loads, LoadStatistics Fetches) FoldOutcomes(
        FleetSpec spec, FleetSnapshot snapshot, ImmutableSortedDictionary<ModelId, ModelKnowledge>.Builder models)
    {
        var (loads, fetches) = (FleetLoads, FleetFetches);
        var before = new Dictionary<ModelId, FailureRecord>();
        foreach (var outcome in snapshot.Outcomes)
        {
            switch (outcome)
            {
                case Outcome.Loaded loaded:
                    loads = loads.Add(new LoadSample(loaded.Size, loaded.Took)
                    {
                        Engine = spec.Find(loaded.Model)?.Variants.FirstOrDefault(variant => variant.Id == loaded.Variant)?.Engine,
                        Read = loaded.Stages.FirstOrDefault(stage => stage.Stage == "read")?.Took,
                    });
                    if (models.TryGetValue(loaded.Model, out var known) && known.Version == loaded.Version)
                        models[loaded.Model] = known with
                        {
                            Loads = known.Loads.Add(new LoadSample(loaded.Size, loaded.Took)),
                            VariantLoads = ByVariant(spec, known, loaded),
                            NextOrdinal = Math.Max(known.NextOrdinal, loaded.Replica.Ordinal + 1),
                        };
                    break;
                case Outcome.Woken woken:
                    if (models.TryGetValue(woken.Model, out known) && known.Version == woken.Version)
                        models[woken.Model] = known with
                        {
                            Wakes = (known.Wakes ?? LoadStatistics.None).Add(new LoadSample(woken.Size, woken.Took)),
                            Failures = known.Failures.Wakes > 0 ? known.Failures with { Wakes = 0 } : known.Failures,
                        };
                    break;
                case Outcome.MemoryMeasured measured:
                    if (models.TryGetValue(measured.Model, out known) && known.Version == measured.Version)
                        models[measured.Model] = known with { Memory = Measured(known.Memory, measured, spec.Settings.PriorUntilWorked && !HasWorked(known, measured.Variant)) };
                    break;
                case Outcome.Exited exited:
                    if (models.TryGetValue(exited.Model, out known))
                    {
                        known = known with { NextOrdinal = Math.Max(known.NextOrdinal, exited.Replica.Ordinal + 1) };
                        var ofOther = spec.Settings.LearnsSoberly && exited.Version is { } version && version != known.Version;
                        models[exited.Model] = exited.Asked || ofOther ? known : FailedNow(known, exited.Model, exited.At, exited.Why, waking: false);
                    }

                    break;
                case Outcome.Fetched fetched:
                    if (fetched.Moved.Value > 0) fetches = fetches.Add(new LoadSample(fetched.Moved, fetched.Took));
                    break;
                case Outcome.StepFailed { Model: { } model } failed:
                    if (models.TryGetValue(model, out known))
                    {
                        var ordinal = failed.Step.Value.StartsWith("start/", StringComparison.Ordinal)
                            ? ReplicaId.Of(failed.Step.Value["start/".Length..]).Ordinal : -1;
                        known = known with { NextOrdinal = Math.Max(known.NextOrdinal, ordinal + 1) };
                        models[model] = FailedNow(known, model, failed.At, failed.Why, failed.Step.Value.StartsWith("wake/", StringComparison.Ordinal));
                    }

                    break;
            }
        }

        return (loads, fetches);

        // What is seen to fail at once, as all replicas of a node that went, is one failure and no row of them.
        ModelKnowledge FailedNow(ModelKnowledge known, ModelId model, DateTimeOffset at, string why, bool waking)
        {
            before.TryAdd(model, known.Failures);
            var failed = Failed(known with { Failures = before[model] }, at, why, spec.Settings);
            var wakes = waking ? Math.Min(before[model].Wakes + 1, 1000) : known.Failures.Wakes;
            return failed with { Failures = failed.Failures with { Wakes = wakes } };
        }
    }

    private static ImmutableSortedDictionary<VariantId, LoadStatistics>? ByVariant(FleetSpec spec, ModelKnowledge known, Outcome.Loaded loaded)
    {
        if (known.VariantLoads is null && spec.Find(loaded.Model) is not { Variants.Length: > 1 }) return null;
        var before = known.VariantLoads ?? ImmutableSortedDictionary<VariantId, LoadStatistics>.Empty;
        return before.SetItem(loaded.Variant,
            before.GetValueOrDefault(loaded.Variant, LoadStatistics.None).Add(new LoadSample(loaded.Size, loaded.Took)));
    }

    private ImmutableSortedDictionary<string, LoadStatistics>? FoldNodes(FleetSpec spec, FleetSnapshot snapshot)
    {
        if (spec.NodePools.IsDefaultOrEmpty) return null;
        var boots = NodeBoots ?? ImmutableSortedDictionary.Create<string, LoadStatistics>(StringComparer.Ordinal);
        foreach (var gone in boots.Keys.Where(name => spec.NodePools.All(pool => pool.Name != name)).ToArray()) boots = boots.Remove(gone);
        foreach (var added in snapshot.Outcomes.OfType<Outcome.NodeAdded>().Where(one => spec.NodePools.Any(pool => pool.Name == one.Pool)))
            boots = boots.SetItem(added.Pool, boots.GetValueOrDefault(added.Pool, LoadStatistics.None).Add(new LoadSample(Bytes.Zero, added.Took)));
        return boots.IsEmpty ? null : boots;
    }

    /// <summary>One more failure in a row: the wait doubles from the first backoff to the largest.</summary>
    internal static ModelKnowledge Failed(ModelKnowledge known, DateTimeOffset at, string why, PlannerSettings settings)
    {
        var count = Math.Min(known.Failures.Count + 1, 1000);
        return known with { Failures = new FailureRecord(count, at + FailureRecord.Wait(count, settings), why) { Wakes = known.Failures.Wakes } };
    }

    private static ImmutableSortedDictionary<VariantId, MeasuredMemory> Measured(
        ImmutableSortedDictionary<VariantId, MeasuredMemory> memory, Outcome.MemoryMeasured outcome, bool unworked)
    {
        var before = memory.GetValueOrDefault(outcome.Variant);
        Bytes? peak = (before?.LoadPeak, outcome.LoadPeak) switch
        {
            ({ } a, { } b) => Bytes.Max(a, b),
            (var a, var b) => a ?? b,
        };
        var steady = before is null ? outcome.Steady : Bytes.Max(before.Steady, outcome.Steady);
        return memory.SetItem(outcome.Variant, new MeasuredMemory(peak, steady, (before?.Samples ?? 0) + 1)
        {
            PerDevice = before?.PerDevice,
            PerDeviceAsleep = before?.PerDeviceAsleep,
            Expected = before?.Expected,
            Since = before?.Since,
            Unworked = unworked && before is not { Unworked: false },
        });
    }

    // What is charged may go below what was expected once that many requests were served.
    private static bool HasWorked(ModelKnowledge known, VariantId variant) => known.ServiceOf(variant).Weight >= Outlooks.SeenRequests;

    // A model that left the fleet file is forgotten once nothing of it runs; until then its ordinals must not repeat. One that is named and
    // not planned for now is not gone.
    private static void Forget(
        FleetSpec spec, FleetSnapshot snapshot, ImmutableSortedDictionary<ModelId, ModelKnowledge>.Builder models)
    {
        var wanted = spec.Models.Select(model => model.Id).ToHashSet();
        if (!spec.Unplanned.IsDefaultOrEmpty) wanted.UnionWith(spec.Unplanned);
        ModelId[] unwanted = [.. models.Keys.Where(model => !wanted.Contains(model))];
        if (unwanted.Length == 0) return;
        wanted.UnionWith(snapshot.Replicas.Select(replica => replica.Model));
        foreach (var gone in unwanted.Where(model => !wanted.Contains(model))) models.Remove(gone);
    }
}

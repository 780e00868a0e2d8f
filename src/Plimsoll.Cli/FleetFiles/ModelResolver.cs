namespace Plimsoll.Cli.FleetFiles;

/// <summary>Makes a weighed model of a fleet file one that can be planned: what a replica of it needs, and what is asked of it.</summary>
internal sealed class ModelResolver(Problems problems)
{
    /// <summary>The model, charged by its engine's rules where its device is known, else by what such servers take.</summary>
    public ModelSpec Of(ModelDocument model, string path, Footprint footprint, string source, bool cached)
    {
        ServerKind? kind = model.Command.IsEmpty ? ServerPresets.KindOf(model, footprint.Format) : null;
        var engine = kind is { } preset ? ScalarKind.NameOf(preset) : "custom";
        var gpus = ServerPresets.GpusOf(model, kind);
        var known = OnKnownDevices(model, path, footprint, engine, gpus, cached);
        var needs = known?.Needs ?? EngineProfile.Named(engine).Needs(
            footprint, gpus, model.Cores, cached, kind == ServerKind.LlamaServer && gpus == 0 ? LlamaCache(model, footprint) : Bytes.Zero);
        if (model.Memory is { LoadPeak: { } peak, Steady: { } steady }) needs = needs with { Host = new MemoryNeed(peak, steady) };
        if (gpus > 0 && (model.Sleep is true || model.SleepPath is not null)) needs = needs with { Asleep = EngineProfile.Named(engine).Asleep(footprint, needs) };
        var (min, profile) = (model.MinReplicas ?? 0, BatchProfiles.Of(model.Profile));
        var slo = Slo.Of(model.Slo?.Latency, model.Slo?.Attainment?.Value ?? 0.99, model.Slo?.Ttft, model.Slo?.Tpot, footprint.KvPerToken > Bytes.Zero);
        return new ModelSpec
        {
            Id = ModelId.Of(model.Name!),
            Version = model.Version ?? Short(footprint.Digest),
            Source = source,
            Cached = cached,
            Footprint = footprint,
            Slo = slo,
            Priority = model.Priority ?? 0,
            MinReplicas = min,
            MaxReplicas = model.MaxReplicas ?? Math.Max(1, min),
            IdleLimit = model.IdleLimit,
            Events = KnownEvents.Of(model.Events),
            Variants =
            [
                new VariantSpec
                {
                    Id = VariantId.Of(gpus > 0 ? $"{engine}-gpu" : $"{engine}-cpu"),
                    Engine = engine,
                    DeviceKind = gpus > 0 && model.Device is { } device ? FleetSettings.KindOf(device) : null,
                    TensorParallel = Math.Max(1, gpus),
                    Needs = needs,
                    Service = profile is not null ? ServicePriors.Of(profile, FleetResolver.ConcurrencyOf(model), slo)
                        : known is null ? null : Pace(footprint, known.Fit, slo, model.Tokens),
                    Concurrency = FleetResolver.ConcurrencyOf(model),
                    LoadBandwidth = model.LoadBandwidth,
                },
            ],
        };
    }

    // By the engine's own rules, where the device is known by name and the engine is one whose rules are known.
    private ServingNeeds? OnKnownDevices(ModelDocument model, string path, Footprint footprint, string engine, int gpus, bool cached)
    {
        if (gpus == 0 || footprint.Shape is null || model.Device is not { } name || DeviceCatalogue.BuiltIn.Find(name) is not { } device
            || !ServingEngine.TryParse(engine, out var rules))
            return null;
        var atOnce = FleetResolver.ConcurrencyOf(model);
        var variant = new ServingVariant
        {
            Device = device,
            Engine = rules,
            TensorParallel = gpus,
            Context = model.Context ?? 0,
            // llama-server reserves a stated context for each slot, and the model's own once for all; vllm takes what is left.
            Concurrency = rules.Kind == EngineKind.LlamaCpp && model.Context is not null ? atOnce : 1,
            MemoryFraction = model.MemoryFraction?.Value,
            MaxSequences = atOnce,
        };
        var known = ServingNeeds.Of(footprint, variant, model.Cores, cached, DeviceCatalogue.BuiltIn.Accelerators);
        if (!known.Fit.Fits) problems.Add($"{path}.device", Show.Text($"{gpus} × {device.Name} with {rules.Name}: {known.Fit.Reason}", 600));
        return known;
    }

    private static ServicePrior? Pace(Footprint footprint, FitReport fit, Slo slo, TokensDocument? tokens) =>
        ServicePriors.Of(footprint, fit, slo, new TypicalLengths(tokens?.Input, tokens?.Output));

    // On the processor llama-server reserves on the host what it would on a device, which is the same on any: the stated context for each
    // slot, or the model's own once, shared out among them.
    private static Bytes LlamaCache(ModelDocument model, Footprint footprint)
    {
        const int ContextOfNone = 4096;
        var slots = FleetResolver.ConcurrencyOf(model);
        var own = footprint.Shape is { MaxPositions: > 0 and var made } ? made : ContextOfNone;
        var reserved = Fit.Of(footprint, new ServingVariant
        {
            Device = DeviceCatalogue.BuiltIn.Accelerators[0],
            Engine = ServingEngine.LlamaCpp(new Version(1, 0)),
            Context = model.Context ?? Math.Max(1, own / slots),
            Concurrency = slots,
        }).PerDevice.Kv.Bytes;
        // A header may claim anything; a petabyte fits nowhere.
        return Bytes.Min(reserved, new Bytes(1_000_000_000_000_000));
    }

    private static string Short(string digest) => digest[(digest.LastIndexOf(':') + 1)..] is { Length: > 12 } hex ? hex[..12] : digest;
}

using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>What was learned of models that are not planned for now.</summary>
public sealed class UnplannedTests
{
    private static readonly ModelSpec Llama = Model("llama", 1000);

    [Fact]
    public void Its_copy_on_a_disk_stays_and_another_goes_for_whoever_needs_the_room()
    {
        var (idle, coming) = (Model("idle", 600, cached: true), Model("coming", 600, cached: true));
        CachedArtifact Copy(ModelSpec model) => new() { Node = new NodeId("here"), Model = model.Id, Version = "v1", Size = model.Footprint.OnDisk, Complete = true };
        var spec = Spec(idle, coming) with { Unplanned = [Llama.Id] };
        var plan = Decide(spec, Snapshot(spec, Node(4000, cacheMiB: 2100), Noon).With(Traffic(coming.Id, Noon, 1, held: 1)) with { Cache = [Copy(idle), Copy(Llama)] });

        Assert.Equal(["evict/idle@v1/here", "prefetch/coming@v1/here", "start/coming-1"], plan.StepIds());
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 0)]
    public void What_was_learned_of_a_model_stays_while_it_is_named_and_goes_once_it_is_not(bool named, int known)
    {
        var before = Knowledge.Empty with { Models = Knowledge.Empty.Models.SetItem(Llama.Id, ModelKnowledge.Nothing with { Version = "v1", NextOrdinal = 7 }) };
        var spec = Spec() with { Unplanned = named ? [Llama.Id] : default };
        var next = Decide(spec, Snapshot(spec, Node(4000), Noon), before).Next;

        Assert.Equal(known, next.Models.Count);
        if (named) Assert.Equal(7, next.Of(Llama.Id).NextOrdinal);
    }
}

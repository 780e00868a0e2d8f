namespace Plimsoll.Artifacts;

/// <summary>An artefact of several models: a pipeline's components, a repository's models, each a component of the whole.</summary>
internal static class WeighedParts
{
    public static WeighedModel Of(ArtifactHeader header)
    {
        var parts = header.Parts.Select(part => (part.Name, Model: WeighedOrNoted(part))).ToList();
        var known = parts.Where(part => part.Model.Weighed is not null).Select(part => (part.Name, Model: part.Model.Weighed!)).ToList();
        if (known.Count == 0)
            throw new ArtifactException($"{header.Source}: none of its {parts.Count} parts can be weighed; the first because {parts[0].Model.Why}");
        var whole = new WeighedModel
        {
            Source = known.TrueForAll(part => part.Model.Source == FootprintSource.Header) ? FootprintSource.Header : FootprintSource.Architecture,
            Parameters = known.Sum(part => part.Model.Parameters),
            ActiveParameters = known.TrueForAll(part => part.Model.ActiveParameters > 0) ? known.Sum(part => part.Model.ActiveParameters) : 0,
            Weights = new Bytes(known.Sum(part => part.Model.Weights.Value)),
            LargestTensor = new Bytes(known.Max(part => part.Model.LargestTensor.Value)),
            ByDtype = [.. known.SelectMany(part => part.Model.ByDtype).GroupBy(weight => weight.Dtype, StringComparer.Ordinal)
                .Select(group => new DtypeWeight(group.Key, new Bytes(group.Sum(weight => weight.Weights.Value)))).OrderBy(weight => weight.Dtype, StringComparer.Ordinal)],
            Components = [.. known.GroupBy(part => part.Name, StringComparer.Ordinal)
                .Select(group => new ComponentWeight(group.Key, group.Sum(part => part.Model.Parameters), new Bytes(group.Sum(part => part.Model.Weights.Value))))
                .OrderBy(component => component.Component, StringComparer.Ordinal)],
            Notes = [.. header.Notes, .. parts.Select(part => part.Model.Why is null ? null : $"{part.Name} is not in these numbers: {part.Model.Why}").OfType<string>(),
                .. known.SelectMany(part => part.Model.Notes.Select(note => $"{part.Name}: {note}"))],
        };
        // The whole is no surer than the least sure of its parts.
        Certainty Least(string number) => known.SelectMany(part => part.Model.Provenance).Where(one => one.Number == number)
            .Select(one => one.Certainty).DefaultIfEmpty(Certainty.Exact).Max();
        return whole with
        {
            Provenance = [.. WeighedProvenance.Of(header, whole).Select(one =>
                Least(one.Number) is var least && least <= one.Certainty ? one
                    : one with { Certainty = least, From = $"{one.From}, and of some parts the bytes on disk" })],
        };
    }

    private static (WeighedModel? Weighed, string? Why) WeighedOrNoted(ArtifactPart part)
    {
        try
        {
            return (Architecture.Weigh(part.Header), null);
        }
        catch (ArtifactException wrong)
        {
            return (null, wrong.Message);
        }
    }
}

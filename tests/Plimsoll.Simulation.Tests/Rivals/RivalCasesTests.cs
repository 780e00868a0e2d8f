namespace Plimsoll.Simulation.Tests.Rivals;

/// <summary>
/// Every row of rivals-cases.csv against the rivals' rules: about two thirds are from the rivals' own tests. This is an adaptor
/// only; the rules know nothing of the rows.
/// </summary>
public sealed class RivalCasesTests
{
    public static TheoryData<string, string> Rows =>
        [.. RivalVector.All.Select(vector => (vector.Rival, vector.Name)).Select(row => new TheoryDataRow<string, string>(row.Rival, row.Name))];

    [Theory]
    [MemberData(nameof(Rows))]
    public void A_rival_answers_as_its_row_says(string rival, string name)
    {
        var vector = RivalVector.Of(rival, name);
        Action<RivalVector> check = rival switch
        {
            "HPA" => HpaCases.Check,
            "KEDA/HPA" => KedaCases.Check,
            "KPA" => KpaCases.Check,
            "Ray Serve" => RayServeCases.Check,
            "AIBrix" => AibrixCases.Check,
            "Melange" => MelangeCases.Check,
            "WVA V1" or "WVA V2" => WvaCases.Check,
            "inferno" => InfernoCases.Check,
            "Dynamo" => DynamoCases.Check,
            "SageServe" => SageServeCases.Check,
            "ModelMesh" => ModelMeshCases.Check,
            "Karpenter" => KarpenterCases.Check,
            _ => throw new InvalidOperationException($"nothing plays {rival}"),
        };
        check(vector);
        Assert.Empty(vector.Inputs.Unread);
        Assert.Empty(vector.Expected.Unread);
    }

    [Fact]
    public void All_rows_are_there() => Assert.Equal(296, RivalVector.All.Select(vector => (vector.Rival, vector.Name)).Distinct().Count());
}

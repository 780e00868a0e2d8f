using System.Globalization;
using Plimsoll;
using Plimsoll.Artifacts.Tests;

// Weighs damaged artefacts, the same for the same seed. Arguments: [CASES [SEED [TARGET...]]], the cases of all targets together.
var targets = FuzzTarget.All.Where(target => args.Length <= 2 || args.AsSpan(2).Contains(target.Name)).ToList();
if (targets.Count < args.Length - 2
    || !int.TryParse(args.ElementAtOrDefault(0) ?? "1000000", NumberStyles.None, CultureInfo.InvariantCulture, out var cases) || cases < targets.Count
    || !ulong.TryParse(args.ElementAtOrDefault(1) ?? "1", NumberStyles.None, CultureInfo.InvariantCulture, out var seed))
{
    Console.Error.WriteLine($"Plimsoll.Fuzz: expected [CASES [SEED [TARGET...]]], whole numbers, cases at least {targets.Count}, targets of {string.Join(", ", FuzzTarget.All.Select(target => target.Name))}");
    return 2;
}

var time = TimeProvider.System;
var began = time.GetTimestamp();
var crashes = 0;
var findings = new HashSet<string>(StringComparer.Ordinal);
var (allCases, allWeighed, allNotRead) = (0, 0, 0);
Console.WriteLine($"{"target",-20} {"cases",9} {"weighed",9} {"not read",9} {"not weighed",11} {"crashed",8} {"longest",10} {"largest",10}");
for (var i = 0; i < targets.Count; i++)
{
    var target = targets[i];
    var count = cases / targets.Count + (i < cases % targets.Count ? 1 : 0);
    var (weighed, notRead, crashed, longest, largest) = (0, 0, 0, TimeSpan.Zero, 0L);
    for (var number = 0; number < count; number++)
    {
        var start = time.GetTimestamp();
        try
        {
            var (outcome, allocated) = FuzzCase.Run(target, seed, number);
            largest = Math.Max(largest, allocated);
            if (outcome == FuzzCase.Outcome.Weighed) weighed++;
            if (outcome == FuzzCase.Outcome.NotRead) notRead++;
        }
        catch (InvalidOperationException e)
        {
            crashed++;
            var finding = e.Message[(e.Message.IndexOf(", case", StringComparison.Ordinal) is > 0 and var at ? e.Message.IndexOf(':', at) : 0)..];
            if (findings.Add(finding)) Console.WriteLine(e.Message);
        }

        var took = time.GetElapsedTime(start);
        if (took > longest) longest = took;
    }

    (crashes, allCases, allWeighed, allNotRead) = (crashes + crashed, allCases + count, allWeighed + weighed, allNotRead + notRead);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{target.Name,-20} {count,9} {weighed,9} {notRead,9} {count - weighed - notRead - crashed,11} {crashed,8} {longest.TotalMilliseconds,7:0.0} ms {new Bytes(largest),10}"));
}

Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"{allCases} cases with seed {seed} in {time.GetElapsedTime(began).TotalSeconds:0} s: {allWeighed} weighed, {allNotRead} refused by their reader, {allCases - allWeighed - allNotRead - crashes} refused a footprint, {crashes} crashed, contradicted themselves or allocated too much."));
return crashes == 0 ? 0 : 1;

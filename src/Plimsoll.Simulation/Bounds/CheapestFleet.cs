using System.Collections.Immutable;
using System.Globalization;
using Google.OrTools.Sat;
using Plimsoll.Simulation.Plans;

namespace Plimsoll.Simulation.Bounds;

/// <summary>
/// The cheapest replicas of all models of a described fleet that hold its demand together, and where they could lie: what a planner is
/// measured against that decides model by model. CP-SAT with one worker, a fixed seed and a deterministic limit, so that the same fleet
/// has the same answer. What a replica carries, takes and costs is what the planner believes.
/// </summary>
/// <param name="Cost">Of all replicas; null where no fleet was found that holds the demand.</param>
/// <param name="Bound">What no fleet costs less than; <see cref="Cost"/> itself where the search ended.</param>
/// <param name="Proven">Whether the search ended: with the cheapest, or with the proof that there is none.</param>
/// <param name="Replicas">Of each model, by variant; empty where there is no fleet.</param>
public sealed record CheapestFleet(
    UsdPerHour? Cost, UsdPerHour? Bound, bool Proven, ImmutableSortedDictionary<ModelId, ImmutableArray<VariantCount>> Replicas)
{
    // More ways to divide a model's replicas among its variants than this are not looked through.
    private const int MixesMost = 2000;

    /// <summary>Solves it.</summary>
    /// <param name="fleet">The fleet, its demand taken as known. Nodes that may be asked for count as there, whatever they cost.</param>
    /// <param name="effort">CP-SAT's deterministic time, about seconds.</param>
    /// <exception cref="ArgumentException">A model may be divided in too many ways, or its replicas have no price.</exception>
    public static CheapestFleet Of(DescribedFleet fleet, double effort = 10)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        var all = fleet with { Nodes = [.. fleet.Nodes.Select(group => group with { Count = Math.Max(group.Count, group.Most) })] };
        var observed = all.Empty();
        var spec = fleet.Spec;
        var outlooks = Outlooks.Of(spec with { Settings = spec.Settings with { CheapestVariant = true } }, observed, fleet.Known(observed));
        var problem = new Problem(observed, Admission.Shapes(observed.Nodes), fleet.Prices);
        foreach (var outlook in outlooks) problem.Add(outlook);
        return problem.Solve(effort);
    }

    private sealed class Problem(FleetSnapshot observed, ImmutableArray<NodeState> shapes, Prices prices)
    {
        private readonly CpModel _model = new();
        private readonly LinearExprBuilder _cost = LinearExpr.NewBuilder();
        private readonly Dictionary<NodeId, LinearExprBuilder> _host = observed.Nodes.ToDictionary(node => node.Id, _ => LinearExpr.NewBuilder());
        private readonly Dictionary<NodeId, LinearExprBuilder> _cores = observed.Nodes.ToDictionary(node => node.Id, _ => LinearExpr.NewBuilder());
        private readonly Dictionary<NodeId, LinearExprBuilder> _disk = observed.Nodes.ToDictionary(node => node.Id, _ => LinearExpr.NewBuilder());
        private readonly Dictionary<(NodeId, int), LinearExprBuilder> _devices = [];
        private readonly SortedDictionary<ModelId, ImmutableArray<(VariantId Variant, LinearExpr Count)>> _counts = [];

        private bool _isImpossible;

        public void Add(ModelOutlook outlook)
        {
            ImmutableArray<ModelOutlook> ways = outlook.Ways.IsEmpty
                ? [outlook with { PricePerHour = ReplicaPrices.Of(outlook.Variant, outlook.Needs, prices, shapes) }] : outlook.Ways;
            if (ways.Any(way => way.PricePerHour is null)) throw new ArgumentException($"{outlook.Model.Id}: a replica has no price; prices of all nodes would do");
            var mixes = Mixes(outlook, ways);
            if (mixes.Count == 0)
            {
                _isImpossible = true;
                return;
            }

            var chosen = mixes.Select((_, i) => _model.NewBoolVar(Name(outlook, "mix", i))).ToArray();
            _model.AddExactlyOne(chosen);
            for (var i = 0; i < mixes.Count; i++) _cost.AddTerm(chosen[i], mixes[i].Select((count, at) => count * ways[at].PricePerHour!.Value.Micro).Sum());
            var counts = ImmutableArray.CreateBuilder<(VariantId, LinearExpr)>();
            var here = observed.Nodes.ToDictionary(node => node.Id, _ => new List<IntVar>());
            for (var at = 0; at < ways.Length; at++)
            {
                var (way, most) = (ways[at], mixes.Max(mix => mix[at]));
                var placed = LinearExpr.NewBuilder();
                foreach (var node in observed.Nodes)
                {
                    if (most == 0 || !Admission.Fits(node, way.Needs, way.Variant.DeviceKind) || !Admission.FitsDisk(node, way.Needs)) continue;
                    var count = _model.NewIntVar(0, most, Name(outlook, $"{at} on {node.Id}", 0));
                    here[node.Id].Add(count);
                    placed.Add(count);
                    Take(way, node, count, most);
                }

                var wanted = LinearExpr.Sum(mixes.Select((mix, i) => chosen[i] * mix[at]));
                _model.Add(placed == wanted);
                counts.Add((way.Variant.Id, wanted));
            }

            foreach (var node in observed.Nodes.Where(node => outlook.Model.Cached && here[node.Id].Count > 0))
            {
                var there = _model.NewBoolVar(Name(outlook, $"disk of {node.Id}", 0));
                foreach (var count in here[node.Id]) _model.Add(count == 0).OnlyEnforceIf(there.Not());
                _disk[node.Id].AddTerm(there, outlook.Needs.Disk.Value >> 20);
            }

            _counts[outlook.Model.Id] = counts.ToImmutable();
        }

        public CheapestFleet Solve(double effort)
        {
            if (_isImpossible) return None(proven: true);
            foreach (var node in observed.Nodes)
            {
                _model.Add(_host[node.Id] <= Bytes.Min(node.HostMemory, node.HostMemoryBudget).Value >> 20);
                _model.Add(_cores[node.Id] <= node.Cores.Milli);
                if (node.CacheBudget is { } cache) _model.Add(_disk[node.Id] <= cache.Value >> 20);
                for (var i = 0; i < node.Devices.Length; i++)
                {
                    if (_devices.TryGetValue((node.Id, i), out var used)) _model.Add(used <= node.Devices[i].MemoryBudget.Value >> 20);
                }
            }

            _model.Minimize(_cost);
            using var solver = new CpSolver
            {
                StringParameters = string.Create(CultureInfo.InvariantCulture, $"num_workers:1,random_seed:1,max_deterministic_time:{effort}"),
            };
            var status = solver.Solve(_model);
            if (status is not (CpSolverStatus.Optimal or CpSolverStatus.Feasible))
                return None(status == CpSolverStatus.Infeasible);
            return new CheapestFleet(
                new UsdPerHour((long)Math.Round(solver.ObjectiveValue)), new UsdPerHour((long)Math.Ceiling(solver.BestObjectiveBound - 0.5)), status == CpSolverStatus.Optimal,
                _counts.ToImmutableSortedDictionary(
                    model => model.Key,
                    model => model.Value.Select(one => new VariantCount(one.Variant, (int)solver.Value(one.Count))).ToImmutableArray()));
        }

        private static CheapestFleet None(bool proven) => new(null, null, proven, ImmutableSortedDictionary<ModelId, ImmutableArray<VariantCount>>.Empty);

        // Memory in MiB: what is taken is rounded down, and what there is too, which no fleet of whole GiB minds.
        private void Take(ModelOutlook way, NodeState node, IntVar count, int most)
        {
            _host[node.Id].AddTerm(count, way.Needs.Host.Steady.Value >> 20);
            _cores[node.Id].AddTerm(count, way.Needs.Cores.Milli);
            if (way.Needs.Devices == 0) return;

            // So many replicas of k devices each lie on devices of which none has more than one part of each: they can be dealt round.
            var parts = LinearExpr.NewBuilder();
            var bytes = (way.Needs.PerDevice?.Steady ?? Bytes.Zero).Value >> 20;
            for (var i = 0; i < node.Devices.Length; i++)
            {
                if (node.Devices[i].Kind != way.Variant.DeviceKind) continue;
                var part = _model.NewIntVar(0, most, string.Create(CultureInfo.InvariantCulture, $"{way.Model.Id} {way.Variant.Id} {node.Id} {i}"));
                _model.Add(part <= count);
                parts.Add(part);
                if (!_devices.TryGetValue((node.Id, i), out var used)) _devices[(node.Id, i)] = used = LinearExpr.NewBuilder();
                used.AddTerm(part, bytes);
            }

            _model.Add(parts == count * way.Needs.Devices);
        }

        private static string Name(ModelOutlook outlook, string what, int i) => string.Create(CultureInfo.InvariantCulture, $"{outlook.Model.Id} {what} {i}");

        // All counts that carry the demand and would not with one fewer of any way.
        private static List<int[]> Mixes(ModelOutlook outlook, ImmutableArray<ModelOutlook> ways)
        {
            var (model, mix) = (outlook.Model, new VariantMix(ways));
            outlook.Forecast.TryGetLast(out var perSecond);
            var (least, most) = (model.MinReplicas, Math.Max(model.MinReplicas, model.MaxReplicas));
            var found = new List<int[]>();
            var counts = new int[ways.Length];
            Try(0);
            return found;

            bool Holds() => counts.Sum() >= least && (perSecond <= 0 || mix.CapacityOf(counts) >= perSecond);

            void Try(int at)
            {
                if (at == ways.Length - 1)
                {
                    counts[at] = 0;
                    while (!Holds() && counts.Sum() < most) counts[at]++;
                    if (Holds() || counts.Sum() == most) Keep();
                    counts[at] = 0;
                    return;
                }

                for (counts[at] = 0; counts.Sum() <= most; counts[at]++)
                {
                    Try(at + 1);
                    if (Holds()) break;
                }

                counts[at] = 0;
            }

            void Keep()
            {
                if (!Holds()) return;
                found.Add([.. counts]);
                if (found.Count > MixesMost) throw new ArgumentException($"{model.Id} may be divided among its variants in more than {MixesMost} ways; fewer replicas or variants would do");
            }
        }
    }
}

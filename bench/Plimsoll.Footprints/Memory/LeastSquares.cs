namespace Plimsoll.Footprints.Memory;

/// <summary>Ordinary least squares by the normal equations: a handful of columns, a few dozen rows.</summary>
internal static class LeastSquares
{
    public static double[] Of(IReadOnlyList<double[]> rows, IReadOnlyList<double> values)
    {
        var n = rows[0].Length;
        var system = new double[n, n + 1];
        for (var r = 0; r < rows.Count; r++)
        {
            for (var i = 0; i < n; i++)
            {
                for (var j = 0; j < n; j++) system[i, j] += rows[r][i] * rows[r][j];
                system[i, n] += rows[r][i] * values[r];
            }
        }

        for (var i = 0; i < n; i++)
        {
            for (var k = i + 1; k < n; k++)
            {
                var factor = system[k, i] / system[i, i];
                for (var j = i; j <= n; j++) system[k, j] -= factor * system[i, j];
            }
        }

        var solution = new double[n];
        for (var i = n - 1; i >= 0; i--)
        {
            solution[i] = system[i, n];
            for (var j = i + 1; j < n; j++) solution[i] -= system[i, j] * solution[j];
            solution[i] /= system[i, i];
        }

        return solution;
    }
}

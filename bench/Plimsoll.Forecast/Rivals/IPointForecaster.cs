namespace Plimsoll.Forecast.Rivals;

/// <summary>A textbook method: it sees one bucket after another and says what path it expects.</summary>
internal interface IPointForecaster
{
    void Observe(double rate);

    /// <summary>The largest rate on the path expected over the next buckets.</summary>
    double MaximumAhead(int buckets);
}

using System.Runtime.ExceptionServices;

namespace Plimsoll;

/// <summary>The same done of each of many, on all processors where there are enough of them; what is done of one must not touch another.</summary>
internal static class OfEach
{
    // Fewer take less time than other threads to wake up.
    private const int TogetherLeast = 256;

    /// <param name="count">How many.</param>
    /// <param name="act">What is done of the i-th.</param>
    public static void Do(int count, Action<int> act)
    {
        if (count >= TogetherLeast && Environment.ProcessorCount > 1)
        {
            try
            {
                Parallel.For(0, count, act);
            }
            catch (AggregateException all)
            {
                ExceptionDispatchInfo.Throw(all.InnerExceptions[0]);
            }

            return;
        }

        for (var i = 0; i < count; i++) act(i);
    }
}

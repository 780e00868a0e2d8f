namespace Plimsoll.Artifacts;

/// <summary>What the name of a decoder's class tells: whether it writes text, embeds or scores, and which head it ends in.</summary>
internal static class ModelClass
{
    /// <summary>
    /// A class that ends in "Model" is the layers alone, as embedding models are published (MistralModel); one for
    /// classification or reward has a row for each label in place of the vocabulary's head.
    /// </summary>
    public static ModelTask TaskOf(string name) =>
        IsScored(name) ? ModelTask.Classify
        // GPT2LMHeadModel has its head.
        : Ends(name, "Model") && !Ends(name, "HeadModel") && !Ends(name, "HeadsModel") ? ModelTask.Embed
        : ModelTask.Generate;

    /// <summary>What a class that is not known does where it reads whole inputs and keeps nothing between steps: it fills in
    /// masked words, was trained to, hears speech, or compares texts with images. Null where it may write text.</summary>
    public static ModelTask? EncoderTask(string name, string type) =>
        Ends(name, "ForCTC") ? ModelTask.Transcribe
        : Ends(name, "ForMaskedLM") || Ends(name, "ForPreTraining")
            || type.StartsWith("clip", StringComparison.Ordinal) || type.StartsWith("siglip", StringComparison.Ordinal) ? ModelTask.Embed
        : null;

    /// <summary>Labels that a classifier tells apart; two unless said, as the published classes have it.</summary>
    public static int Labels(ModelConfig config) => config.OptionalInt("num_labels") ?? config.LabelCount() ?? 2;

    /// <summary>Writes down what scores: one row a label, with a bias where tokens are labelled one by one. Qwen2's reward
    /// models put a square layer before it, and score one value, or two for each step.</summary>
    public static void PlanScore(TensorPlan plan, DecoderFields fields)
    {
        if (fields.Architecture is "Qwen2ForRewardModel" or "Qwen2ForProcessRewardModel")
        {
            plan.Linear("score.0", fields.Hidden, fields.Hidden, bias: true, head: true);
            plan.Linear("score.2", fields.Architecture == "Qwen2ForRewardModel" ? 1 : 2, fields.Hidden, bias: true, head: true);
            return;
        }

        plan.Linear("score", Labels(fields.Config), fields.Hidden, bias: Ends(fields.Architecture, "ForTokenClassification"), head: true);
    }

    private static bool IsScored(string name) => Ends(name, "ForSequenceClassification") || Ends(name, "ForTokenClassification")
        || name is "Qwen2ForRewardModel" or "Qwen2ForProcessRewardModel";

    private static bool Ends(string name, string end) => name.EndsWith(end, StringComparison.Ordinal);
}
